/*-------------------------------------------------------------------------
 *
 * supervise.c
 *		Adopts, reaps and ends runs.
 *
 * How a run ended is what its exit file says, whoever finds it.  The rest of
 * this file is about runs without one: a shim that never took its run (we
 * abandon it, if link() lets us), one that still works (we watch it), and one
 * that died (a sweep program ends what it left behind, then the run is lost).
 *
 * Ending a run means a file "cancel" and SIGTERM.  The file also reaches a
 * shim that has not yet taken its run, or whose signals we may not send.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <errno.h>
#include <signal.h>
#include <unistd.h>

#include "clock.h"
#include "json_peek.h"
#include "run_directory.h"
#include "run_table.h"
#include "supervise.h"
#include "work.h"

#define LINGER_MS 30000
#define DEFAULT_GRACE_S 600		/* of a run whose runner we do not know */
#define PATIENCE_MS 60000		/* beyond the grace, before the shim is killed */
#define SWEEP_PATIENCE_MS 60000
#define MAX_SWEEPS 8			/* each reads all of /proc */
#define MAX_SWEEP_TRIES 5
#define MAX_STARTED_SIZE 4096
#define UNWATCHED_CHECK_MS 1000

static int	sweeps = 0;			/* sweep programs running */

static bool has_exit_file(int64 run_id);
static bool adopt_started(int64 run_id, const char *runner);
static bool adopt_one(int64 run_id, const char *runner, bool known);
static void process_ended(VibeRun *run);
static void cancel_run(VibeRun *run, int64 now);
static void start_sweep(VibeRun *run, int64 now);
static void keep_watched(VibeRun *run, int64 now);

static bool
has_exit_file(int64 run_id)
{
	return access(vibe_run_path(run_id, "exit"), F_OK) == 0;
}

/* ----- adoption ----- */

/*
 * The run was taken: watch its shim if that lives.  The exit file is looked
 * for again after the process is found gone, since it is written last.
 */
static bool
adopt_started(int64 run_id, const char *runner)
{
	VibeProcess process = {.pidfd = -1};
	VibeAlive	alive = PROCESS_GONE;
	size_t		length;
	char	   *started = vibe_run_read(run_id, "started", MAX_STARTED_SIZE, &length);
	char		boot_id[64] = "";
	char		pid_ns[64] = "";
	int64		pid = 0;
	int64		start = 0;
	VibeRun    *run;

	if (started == NULL)
		return false;
	if (!vibe_json_peek_int64(started, length, "pid", &pid))
	{
		/* an earlier dispatcher abandoned it: there never was an agent */
		run = vibe_run_add(run_id, RUN_CLAIMED, runner);
		vibe_run_end(run, "lost", "abandoned before it was started");
		return true;
	}
	(void) vibe_json_peek_int64(started, length, "pid_start", &start);
	(void) vibe_json_peek(started, length, "boot_id", boot_id, sizeof(boot_id));
	(void) vibe_json_peek(started, length, "pid_ns", pid_ns, sizeof(pid_ns));
	alive = vibe_shim_adopt(pid, start, boot_id, pid_ns, run_id, &process);

	run = vibe_run_add(run_id, RUN_WATCHED, runner);
	run->grace = DEFAULT_GRACE_S;
	run->process = process;
	if (alive == PROCESS_SAME)
		return true;
	if (has_exit_file(run_id))
		vibe_run_move(run, RUN_ENDED);
	else if (strcmp(boot_id, vibe_shim_boot_id()) != 0)
		vibe_run_end(run, "lost", "the machine was restarted");
	else
		vibe_run_move(run, RUN_SWEEPING);
	return true;
}

/*
 * Take a run of an earlier dispatcher into the table; false if that has to be
 * tried again.  known: the database waits for its end.
 */
static bool
adopt_one(int64 run_id, const char *runner, bool known)
{
	VibeRun    *run = vibe_run_find(run_id);
	bool		taken = true;

	if (run != NULL)
		return true;
	if (!vibe_run_exists(run_id))
	{
		/* directories are made before anything is spawned */
		run = vibe_run_add(run_id, RUN_CLAIMED, runner);
		vibe_run_end(run, "lost", "it was never started");
		return true;
	}
	if (has_exit_file(run_id))
	{
		run = vibe_run_add(run_id, RUN_WATCHED, runner);
		vibe_run_move(run, RUN_ENDED);
		return true;
	}
	switch (vibe_run_abandon(run_id))
	{
		case RUN_ABANDONED:
			run = vibe_run_add(run_id, RUN_CLAIMED, runner);
			vibe_run_end(run, "lost", "abandoned before it was started");
			break;
		case RUN_TAKEN:
			taken = adopt_started(run_id, runner);
			break;
		case RUN_UNDECIDED:
			ereport(LOG,
					(errcode_for_file_access(),
					 errmsg("could not adopt run " INT64_FORMAT ": %m", run_id)));
			return false;
	}
	/* a process that the database does not wait for has no right to go on */
	run = vibe_run_find(run_id);
	if (run != NULL && run->state == RUN_WATCHED && !known)
		cancel_run(run, vibe_monotonic_ms());
	return taken;
}

/*
 * Adopt what earlier dispatchers left: runs that the database waits for, and
 * directories that were not put away.  The latter ended and are finished
 * again, which changes nothing but tells where the staged file goes.
 */
bool
vibe_supervise_adopt(void)
{
	List	   *live;
	ListCell   *cell;
	int64	   *ids;
	int			count;
	bool		complete = true;

	if (!vibe_work_live_runs(false, &live))
		return false;
	foreach(cell, live)
	{
		VibeLiveRun *row = lfirst(cell);
		VibeRun    *run;

		complete &= adopt_one(row->run_id, row->runner, true);
		run = vibe_run_find(row->run_id);
		if (run != NULL)
			run->task_id = row->task_id;
	}
	ids = vibe_run_list(&count);
	for (int i = 0; i < count; i++)
		complete &= adopt_one(ids[i], NULL, false);
	return complete;
}

/*
 * The extension is gone, or is another one: end everything, expecting no
 * answer from a database that knows none of it.  False: try again.
 */
bool
vibe_supervise_discard(void)
{
	HASH_SEQ_STATUS scan;
	VibeRun    *run;
	int64		now = vibe_monotonic_ms();
	bool		complete = true;

	if (vibe_run_directory_is_open())
	{
		int			count;
		int64	   *ids = vibe_run_list(&count);

		for (int i = 0; i < count; i++)
			complete &= adopt_one(ids[i], NULL, false);
	}
	vibe_run_scan(&scan);
	while ((run = hash_seq_search(&scan)) != NULL)
	{
		run->discard = true;
		run->unmarked = false;
		if (run->state == RUN_CLAIMED)
			vibe_run_remove(run);
		else if (run->state == RUN_WATCHED)
			cancel_run(run, now);
		else if (run->state == RUN_ENDED)
			vibe_run_move(run, RUN_SETTLED);
	}
	return complete;
}

/* ----- the end ----- */

/* The process watched for this run has ended. */
static void
process_ended(VibeRun *run)
{
	bool		swept = run->state == RUN_SWEEPING;

	vibe_shim_forget(&run->process);
	if (swept)
		sweeps--;
	if (has_exit_file(run->run_id))
		vibe_run_move(run, RUN_ENDED);
	else if (swept || !vibe_run_exists(run->run_id))
		vibe_run_end(run, "lost", "its supervisor ended without a record");
	else
		vibe_run_move(run, RUN_SWEEPING);
	if (run->discard && run->state == RUN_ENDED)
		vibe_run_move(run, RUN_SETTLED);
}

/*
 * Find the processes that ended, or have only their own end to come; how many
 * runs were affected.  A descriptor that is ready stays ready, so one that does
 * not mean an end is dropped.
 */
int
vibe_supervise_reap(void)
{
	int64		keys[64];
	int			count;
	int			ended = 0;

	while ((count = vibe_shim_take_events(keys, lengthof(keys))) > 0)
	{
		for (int i = 0; i < count; i++)
		{
			VibeRun    *run = vibe_run_find(keys[i]);

			if (run == NULL || run->process.pid == 0)
				continue;
			if (vibe_shim_said_last_word(&run->process))
			{
				/* one that was killed has left no record: its end is to come */
				if (!has_exit_file(run->run_id) || !vibe_shim_let_leave(&run->process))
					continue;
			}
			else if (!vibe_shim_has_ended(&run->process))
			{
				vibe_shim_unwatch(&run->process);
				continue;
			}
			process_ended(run);
			ended++;
		}
	}
	return ended;
}

/* Tell a run to end, once. */
static void
cancel_run(VibeRun *run, int64 now)
{
	if (run->cancelled)
		return;
	run->cancelled = true;
	run->end_at = VIBE_NEVER;
	run->kill_at = now + (int64) run->grace * 1000 + PATIENCE_MS;
	if (!vibe_run_write(run->run_id, "cancel", "", 0))
		ereport(LOG,
				(errcode_for_file_access(),
				 errmsg("could not write the cancel file of run " INT64_FORMAT ": %m", run->run_id)));
	(void) vibe_shim_signal(&run->process, SIGTERM);
}

/*
 * End the processes of runs that are closed in the database.  One that
 * reported its own end may say goodbye; any other has lost its right to run.
 */
void
vibe_supervise_end_closed(void)
{
	List	   *closed;
	ListCell   *cell;
	int64		now = vibe_monotonic_ms();

	if (!vibe_work_live_runs(true, &closed))
		return;
	foreach(cell, closed)
	{
		VibeLiveRun *row = lfirst(cell);
		VibeRun    *run;
		bool		own_end = row->outcome != NULL &&
		(strcmp(row->outcome, "done") == 0 || strcmp(row->outcome, "revise") == 0 ||
		 strcmp(row->outcome, "blocked") == 0 || strcmp(row->outcome, "failed") == 0);

		(void) adopt_one(row->run_id, row->runner, true);
		run = vibe_run_find(row->run_id);
		if (run == NULL || run->state != RUN_WATCHED || run->cancelled)
			continue;
		if (!own_end)
			cancel_run(run, now);
		else if (run->end_at == VIBE_NEVER)
			run->end_at = now + LINGER_MS;
	}
}

/* ----- time ----- */

/* Have what a dead shim left behind ended by a sweep program. */
static void
start_sweep(VibeRun *run, int64 now)
{
	int			rc;

	if (sweeps >= MAX_SWEEPS || now < run->retry_at)
		return;
	rc = vibe_shim_spawn("sweep", vibe_run_path(run->run_id, NULL), NIL,
						 run->run_id, &run->process);
	if (rc == 0)
	{
		sweeps++;
		run->kill_at = now + SWEEP_PATIENCE_MS;
		return;
	}
	if (run->tries == 0)
	{
		errno = rc;
		ereport(LOG,
				(errcode_for_file_access(),
				 errmsg("could not sweep up after run " INT64_FORMAT ": %m", run->run_id)));
	}
	vibe_run_retry_later(run);
	if (run->tries < MAX_SWEEP_TRIES)
		return;
	vibe_run_end(run, "lost", "its supervisor ended without a record");
	if (run->discard)
		vibe_run_move(run, RUN_SETTLED);
}

/* What is due for a run that has a process. */
static void
keep_watched(VibeRun *run, int64 now)
{
	if (run->process.pidfd < 0 && vibe_shim_has_ended(&run->process))
	{
		process_ended(run);
		return;
	}
	if (now >= run->end_at)
		cancel_run(run, now);
	if (now < run->kill_at)
		return;
	/* no shim takes this long: what it should have ended is swept up */
	ereport(LOG,
			(errmsg("killing the %s of run " INT64_FORMAT ", which does not end",
					run->state == RUN_SWEEPING ? "sweep program" : "supervisor", run->run_id)));
	run->kill_at = now + PATIENCE_MS;
	(void) vibe_shim_signal(&run->process, SIGKILL);
}

/* Do what is due for processes; when something will be. */
int64
vibe_supervise_keep_time(void)
{
	HASH_SEQ_STATUS scan;
	VibeRun    *run;
	int64		now = vibe_monotonic_ms();
	int64		deadline = VIBE_NEVER;

	vibe_run_scan(&scan);
	while ((run = hash_seq_search(&scan)) != NULL)
	{
		if (run->state == RUN_SWEEPING && run->process.pid == 0)
			start_sweep(run, now);
		else if (run->state == RUN_WATCHED || run->state == RUN_SWEEPING)
			keep_watched(run, now);

		deadline = Min(deadline, Min(run->end_at, run->kill_at));
		if (run->process.pid != 0 && run->process.pidfd < 0)
			deadline = Min(deadline, now + UNWATCHED_CHECK_MS);
		if (run->state == RUN_SWEEPING && run->process.pid == 0 && sweeps < MAX_SWEEPS)
			deadline = Min(deadline, run->retry_at);
	}
	return deadline;
}
