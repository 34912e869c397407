/*-------------------------------------------------------------------------
 *
 * launch.c
 *		Claims runs and starts their shims.
 *
 * Four steps, and the order is the point:
 *
 *	1. claim: the runs are committed as launching before any process exists
 *	2. look again: a pause or cancel that committed meanwhile takes them back;
 *	   where nothing at all was committed meanwhile, there is nothing to see
 *	3. write the launch record, have the claim on disk, then spawn, outside of
 *	   any transaction: an error cannot roll back the row of a process that runs
 *	4. mark: the processes' identity is committed
 *
 * A dispatcher that dies between any two lines leaves enough behind for its
 * successor: no directory means never spawned, and link() decides the rest.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <errno.h>

#include "clock.h"
#include "guc.h"
#include "json_peek.h"
#include "launch.h"
#include "lib/stringinfo.h"
#include "run_directory.h"
#include "run_table.h"
#include "runner.h"
#include "shim_process.h"
#include "utils/json.h"
#include "verb.h"
#include "work.h"

#define MAX_BATCH 64			/* claims per turn: agents end meanwhile */
#define MAX_NAME_LENGTH 256

static bool look_again(int64 *ids, int count);
static bool count_slots(VibeRunnerSet *set, int total, VibeSlots *slots);
static bool name_workspaces(const char *run, size_t length, char **own, char **main, char **problem);
static bool prepare_one(VibeRun *run, VibeRunner *runner, char **problem);
static bool start_one(VibeRun *run, VibeRunner *runner, char **problem);

/*
 * The usable runners and their free slots.  One without a free slot stays in:
 * another may stand in for it while its provider is paused.
 */
static bool
count_slots(VibeRunnerSet *set, int total, VibeSlots *slots)
{
	int			size = list_length(set->runners);
	bool		any = false;
	ListCell   *cell;

	slots->count = 0;
	slots->runners = palloc(size * sizeof(char *));
	slots->free = palloc(size * sizeof(int));
	slots->providers = palloc(size * sizeof(char *));
	slots->fallbacks = palloc(size * sizeof(char *));
	slots->fallback_models = palloc(size * sizeof(char *));
	foreach(cell, set->runners)
	{
		VibeRunner *runner = lfirst(cell);
		int			open = runner->max_parallel - vibe_run_count_of_runner(runner->name);

		if (runner->problem != NULL)
			continue;
		slots->runners[slots->count] = runner->name;
		slots->free[slots->count] = Max(0, Min(open, total));
		slots->providers[slots->count] = runner->provider;
		slots->fallbacks[slots->count] = runner->fallback;
		slots->fallback_models[slots->count++] = runner->fallback_model;
		any = any || open > 0;
	}
	return any;
}

/*
 * Claim as many runs as there are free slots; true if there may be more.
 */
bool
vibe_launch_claim(VibeRunnerSet *set)
{
	int			total = Min(vibe_max_runs - vibe_run_count_occupied(), MAX_BATCH);
	VibeSlots	slots;
	List	   *claimed;
	ListCell   *cell;
	bool		more;
	bool		undisturbed;

	if (total <= 0 || !count_slots(set, total, &slots) ||
		!vibe_work_claim(&slots, total, &claimed, &more, &undisturbed))
		return false;

	foreach(cell, claimed)
	{
		VibeClaimedRun *claim = lfirst(cell);
		VibeRun    *run = vibe_run_add(claim->run_id, RUN_CLAIMED, claim->runner);

		if (run == NULL)
			elog(LOG, "run " INT64_FORMAT " was claimed twice", claim->run_id);
		else
		{
			run->run = vibe_run_keep(claim->run);
			run->wanted = undisturbed;
			(void) vibe_json_peek_int64(claim->run, strlen(claim->run), "task_id", &run->task_id);
		}
	}
	return more || list_length(claimed) == MAX_BATCH;
}

/* Where the run works, and where its task's main line does. */
static bool
name_workspaces(const char *run, size_t length, char **own, char **main, char **problem)
{
	char		owner[MAX_NAME_LENGTH];
	char		branch[MAX_NAME_LENGTH] = "";
	VibePeek	peek = vibe_json_peek(run, length, "task_id", owner, sizeof(owner));

	if (peek == PEEK_ABSENT)
	{
		/* a heartbeat belongs to an agent, not to a task */
		strlcpy(owner, "agent-", sizeof(owner));
		peek = vibe_json_peek(run, length, "agent", owner + 6, sizeof(owner) - 6);
	}
	if (peek != PEEK_VALUE ||
		vibe_json_peek(run, length, "branch", branch, sizeof(branch)) == PEEK_ODD)
	{
		*problem = pstrdup("the names of task and branch cannot be used for a workspace");
		return false;
	}
	*own = vibe_run_workspace(owner, branch);
	*main = vibe_run_workspace(owner, "");
	return true;
}

/*
 * What a shim is told about a run, as JSON; NULL with a problem if it could not
 * be started.  Makes nothing: explain_run() shows the same record.
 */
char *
vibe_launch_record(VibeRunner *runner, const char *run, char **workspace, char **problem)
{
	StringInfoData record;
	size_t		length = strlen(run);
	List	   *argv;
	char	   *own;
	char	   *main;

	if (!vibe_runner_fill_argv(runner, run, length, &argv, problem) ||
		!name_workspaces(run, length, &own, &main, problem))
		return NULL;
	*workspace = own;
	initStringInfo(&record);
	appendStringInfo(&record, "{\"protocol\":1,\"run\":%s,\"runner\":", run);
	vibe_runner_to_json(&record, runner, argv);
	appendStringInfoString(&record, ",\"workspace\":");
	escape_json(&record, own);
	appendStringInfoString(&record, ",\"main_workspace\":");
	escape_json(&record, main);
	appendStringInfoString(&record, ",\"alive\":");
	escape_json(&record, vibe_run_directory_alive());
	appendStringInfo(&record, ",\"orphan_grace\":%d}\n", vibe_orphan_grace);
	return record.data;
}

/* Write the launch record. */
static bool
prepare_one(VibeRun *run, VibeRunner *runner, char **problem)
{
	char	   *workspace;
	char	   *record;

	if (runner == NULL || runner->problem != NULL)
	{
		*problem = psprintf("runner \"%s\" cannot be used: %s", run->runner,
							runner == NULL ? "it is no longer in the runner file" : runner->problem);
		return false;
	}
	record = vibe_launch_record(runner, run->run, &workspace, problem);
	if (record == NULL)
		return false;
	if (!vibe_run_make_workspace(workspace))
	{
		*problem = psprintf("could not create workspace \"%s\": %s", workspace, strerror(errno));
		return false;
	}
	if (!vibe_run_prepare(run->run_id) ||
		!vibe_run_write(run->run_id, "launch", record, strlen(record)))
	{
		*problem = psprintf("could not write the launch record: %s", strerror(errno));
		return false;
	}
	return true;
}

/* Spawn the shim. */
static bool
start_one(VibeRun *run, VibeRunner *runner, char **problem)
{
	VibeProcess process;
	int			rc = vibe_shim_spawn("run", vibe_run_path(run->run_id, NULL), runner->pass_env,
									 run->run_id, &process);

	if (rc != 0)
	{
		*problem = psprintf("could not start \"%s\": %s", vibe_shim_path, strerror(rc));
		return false;
	}
	vibe_run_move(run, RUN_WATCHED);
	run->process = process;
	run->grace = (int) runner->limits[LIMIT_GRACE];
	run->unmarked = true;
	return true;
}

/*
 * Take those claimed runs back that are not wanted any more; false if that is
 * not known.  What was sure at the end of the claim is so once.
 */
static bool
look_again(int64 *ids, int count)
{
	int64	   *unsure = palloc(count * sizeof(int64));
	int64	   *back;
	int			unsure_count = 0;
	int			back_count;

	for (int i = 0; i < count; i++)
	{
		VibeRun    *run = vibe_run_find(ids[i]);

		if (!run->wanted)
			unsure[unsure_count++] = ids[i];
		run->wanted = false;
	}
	if (unsure_count == 0)
		return true;
	if (!vibe_work_unclaim_paused(unsure, unsure_count, &back, &back_count))
		return false;
	for (int i = 0; i < back_count; i++)
	{
		VibeRun    *run = vibe_run_find(back[i]);

		if (run != NULL && run->state == RUN_CLAIMED)
			vibe_run_remove(run);
	}
	return true;
}

/*
 * Start all claimed runs that are still wanted.  One that cannot be started
 * ends as exec_error; the others go on.
 *
 * While the claim goes to disk, the shim that waits reads what the first run
 * is; no agent starts before the claim is there.
 */
void
vibe_launch_start(VibeRunnerSet *set)
{
	HASH_SEQ_STATUS scan;
	VibeRun    *run;
	VibeRunner *runner;
	int64	   *ids;
	int			count = vibe_run_count(RUN_CLAIMED);
	int			prepared = 0;
	int			i = 0;
	char	   *problem = NULL;

	if (count == 0)
		return;
	ids = palloc(count * sizeof(int64));
	vibe_run_scan(&scan);
	while ((run = hash_seq_search(&scan)) != NULL)
	{
		if (run->state == RUN_CLAIMED)
			ids[i++] = run->run_id;
	}
	Assert(i == count);
	if (!look_again(ids, count))
		return;
	for (i = 0; i < count; i++)
	{
		run = vibe_run_find(ids[i]);
		if (run == NULL)
			continue;
		runner = vibe_runner_find(set, run->runner);
		if (!prepare_one(run, runner, &problem))
		{
			vibe_run_end(run, "exec_error", problem);
			continue;
		}
		if (prepared == 0)
			vibe_shim_offer(vibe_run_path(run->run_id, NULL), runner->pass_env);
		ids[prepared++] = ids[i];
	}
	/* a process must not exist before the row that says so is on disk */
	vibe_verb_flush(true);
	for (i = 0; i < prepared; i++)
	{
		run = vibe_run_find(ids[i]);
		if (!start_one(run, vibe_runner_find(set, run->runner), &problem))
			vibe_run_end(run, "exec_error", problem);
	}
}

/*
 * Tell the database which processes the runs have.  One that ended before it
 * could be told is finished without it.
 */
void
vibe_launch_mark(void)
{
	HASH_SEQ_STATUS scan;
	VibeRun    *run;
	VibeStartedRun *started;
	int			count = 0;

	started = palloc((vibe_run_count(RUN_WATCHED) + 1) * sizeof(VibeStartedRun));
	vibe_run_scan(&scan);
	while ((run = hash_seq_search(&scan)) != NULL)
	{
		/* if it could not be started in the turn of its claim, it is not sure any more */
		run->wanted = false;
		if (run->state != RUN_WATCHED || !run->unmarked)
			continue;
		started[count].run_id = run->run_id;
		started[count].pid = run->process.pid;
		started[count++].pid_start = run->process.start;
	}
	if (count == 0 ||
		!vibe_work_mark_started(started, count, vibe_shim_boot_id(), vibe_shim_pid_ns()))
		return;
	for (int i = 0; i < count; i++)
	{
		run = vibe_run_find(started[i].run_id);
		if (run != NULL)
			run->unmarked = false;
	}
}
