/*
 * runner_kind.h
 *		The kinds of runner: how each program wants to be called.
 */
#ifndef VIBE_RUNNER_KIND_H
#define VIBE_RUNNER_KIND_H

#include "nodes/pg_list.h"

/* Words around a runner's own args, separated by blanks. */
typedef struct VibeTemplate
{
	const char *before;
	const char *after;
} VibeTemplate;

typedef struct VibeKind
{
	const char *name;
	bool		quiet_start;	/* may say nothing for long at first */
	bool		quiet;			/* ... nor later */
	VibeTemplate fresh;
	VibeTemplate resumed;		/* goes on with {session} */
	bool		(*can_resume) (const char *session);	/* NULL: never */
} VibeKind;

extern const VibeKind *vibe_kind_find(const char *name);
extern char *vibe_kind_names(void);
extern List *vibe_kind_words(const char *text);
extern bool vibe_is_uuid(const char *text);

#endif							/* VIBE_RUNNER_KIND_H */
