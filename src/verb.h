/*
 * verb.h
 *		Running one transaction of the dispatcher.
 */
#ifndef VIBE_VERB_H
#define VIBE_VERB_H

#define VIBE_STATEMENT_TIMEOUT_MS 30000

typedef enum VibeVerb
{
	VERB_LISTEN,
	VERB_LOOK,
	VERB_ATTACH,
	VERB_TAKE_OVER,
	VERB_LIVE_RUNS,
	VERB_FINISH,
	VERB_SWEEP,
	VERB_TIDY,
	VERB_PROMOTE,
	VERB_CLAIM,
	VERB_UNCLAIM,
	VERB_MARK_STARTED,
	VERB_NEXT_DUE,
	VERB_NOTIFY,
	VERB_COUNT
} VibeVerb;

/* what is to outlive the transaction goes into the caller's context */
typedef void (*VibeVerbBody) (void *arg, MemoryContext caller);

extern bool vibe_run_verb(VibeVerb verb, VibeVerbBody body, void *arg);
extern void vibe_verb_flush(bool insist);
extern int64 vibe_verb_retry_at(int64 now);
extern const char *vibe_verb_problem(void);
extern bool vibe_verb_take_activity(void);

#endif							/* VIBE_VERB_H */
