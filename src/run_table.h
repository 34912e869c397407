/*
 * run_table.h
 *		The runs this dispatcher watches.
 */
#ifndef VIBE_RUN_TABLE_H
#define VIBE_RUN_TABLE_H

#include "shim_process.h"
#include "utils/hsearch.h"

typedef enum VibeRunState
{
	RUN_CLAIMED,				/* launching, no process yet: WATCHED, ENDED, or put back */
	RUN_WATCHED,				/* its shim lives: ENDED, SWEEPING */
	RUN_SWEEPING,				/* shim gone without a record: ENDED */
	RUN_ENDED,					/* its end is to be recorded: SETTLED */
	RUN_SETTLED,				/* recorded; files to be put away: removed */
	RUN_NEW						/* only as the state before the first one */
} VibeRunState;

typedef struct VibeRun
{
	int64		run_id;			/* key */
	int64		task_id;		/* 0: unknown; decides the order of locks */
	VibeRunState state;
	char		runner[NAMEDATALEN];	/* whose slot it takes */
	VibeProcess process;		/* WATCHED: shim; SWEEPING: sweep program */
	char	   *run;			/* CLAIMED: the database's half of the launch record */
	char	   *record;			/* ENDED: record, if not in the exit file */
	char	   *publish_path;	/* SETTLED: where the staged file goes, or NULL */
	bool		wanted;			/* CLAIMED: surely so, nothing was paused or cancelled since the
								 * claim began */
	bool		unmarked;		/* process not yet known to the database */
	bool		cancelled;		/* told to end */
	bool		killed;			/* the shim itself was killed */
	bool		discard;		/* of a dropped extension: nobody asks for its end */
	bool		alone;			/* to be finished in a transaction of its own */
	bool		reduced;		/* with its outcome only */
	int			grace;			/* seconds the shim may take to end its tree */
	int			tries;			/* of what its state waits for */
	int64		retry_at;		/* not before this */
	int64		end_at;			/* WATCHED: when lingering ends, or VIBE_NEVER */
	int64		kill_at;		/* WATCHED, SWEEPING: when patience ends, or VIBE_NEVER */
} VibeRun;

extern void vibe_run_table_init(void);
extern VibeRun *vibe_run_add(int64 run_id, VibeRunState state, const char *runner);
extern VibeRun *vibe_run_find(int64 run_id);
extern void vibe_run_move(VibeRun *run, VibeRunState to);
extern void vibe_run_end(VibeRun *run, const char *outcome, const char *error);
extern void vibe_run_retry_later(VibeRun *run);
extern void vibe_run_remove(VibeRun *run);
extern void vibe_run_scan(HASH_SEQ_STATUS *scan);
extern int	vibe_run_count(VibeRunState state);
extern int	vibe_run_count_occupied(void);
extern int	vibe_run_count_discarded(void);
extern int	vibe_run_count_of_runner(const char *runner);
extern char *vibe_run_keep(const char *text);

#endif							/* VIBE_RUN_TABLE_H */
