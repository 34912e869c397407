/*
 * work.h
 *		The SQL functions the dispatcher calls, one transaction each.
 */
#ifndef VIBE_WORK_H
#define VIBE_WORK_H

#include "nodes/pg_list.h"

typedef struct VibeExtension
{
	Oid			oid;			/* InvalidOid: not installed */
	char		version[64];
} VibeExtension;

typedef struct VibeClaimedRun
{
	int64		run_id;
	char	   *runner;
	char	   *run;			/* JSON text in UTF-8 */
} VibeClaimedRun;

/* the usable runners, one entry each */
typedef struct VibeSlots
{
	int			count;
	char	  **runners;
	int		   *free;
	char	  **providers;		/* NULL entries: none */
	char	  **fallbacks;		/* likewise */
	char	  **fallback_models;	/* likewise */
} VibeSlots;

typedef struct VibeLiveRun
{
	int64		run_id;
	bool		closed;
	char	   *outcome;		/* or NULL */
	char	   *runner;			/* or NULL */
	int64		task_id;		/* 0: none */
} VibeLiveRun;

typedef struct VibeFinishItem
{
	int64		run_id;
	int64		task_id;		/* 0: unknown */
	const char *record;			/* JSON text, zero-terminated */
	/* result */
	bool		finished;
	bool		unknown;		/* the database knows no such run */
	bool		retry;			/* the reason is not in the record */
	char	   *publish_path;	/* or NULL */
	char	   *message;		/* why not finished */
} VibeFinishItem;

typedef struct VibeStartedRun
{
	int64		run_id;
	int32		pid;
	int64		pid_start;
} VibeStartedRun;

extern bool vibe_work_listen(void);
extern bool vibe_work_look(VibeExtension *extension);
extern bool vibe_work_attach(bool *home);
extern bool vibe_work_take_over(void);
extern bool vibe_work_live_runs(bool only_closed, List **runs);
extern bool vibe_work_finish(VibeFinishItem *items, int count);
extern bool vibe_work_sweep(void);
extern bool vibe_work_unneeded(bool workspaces, int64 *ids, int count, int retention, bool unknown,
							   int64 **unneeded, int *unneeded_count);
extern bool vibe_work_promote_due(void);
extern bool vibe_work_claim(VibeSlots *slots, int max_runs, List **runs, bool *more, bool *undisturbed);
extern bool vibe_work_unclaim_paused(int64 *run_ids, int count, int64 **back, int *back_count);
extern bool vibe_work_mark_started(VibeStartedRun *runs, int count,
								   const char *boot_id, const char *pid_ns);
extern bool vibe_work_next_due(int64 *deadline);
extern bool vibe_work_notify(void);

#endif							/* VIBE_WORK_H */
