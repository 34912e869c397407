/*-------------------------------------------------------------------------
 *
 * run_table.c
 *		The runs this dispatcher watches, and their states.
 *
 * The table is a view of what the run directory and the database say; it can
 * be lost at any moment and is rebuilt from them.  State changes go through
 * vibe_run_move(), which refuses what run_table.h does not list.
 *
 * A run that takes part of the limits ("occupied") is one that has or may
 * have a process: claimed, watched or sweeping.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <time.h>

#include "clock.h"
#include "lib/stringinfo.h"
#include "run_table.h"
#include "utils/json.h"
#include "utils/memutils.h"

#define LONGEST_RETRY_MS 600000

static HTAB *runs = NULL;
static MemoryContext run_context = NULL;
static int	counts[RUN_NEW + 1];

static bool is_legal(VibeRunState from, VibeRunState to);

void
vibe_run_table_init(void)
{
	HASHCTL		control = {0};

	run_context = AllocSetContextCreate(TopMemoryContext, "vibe runs", ALLOCSET_DEFAULT_SIZES);
	control.keysize = sizeof(int64);
	control.entrysize = sizeof(VibeRun);
	control.hcxt = run_context;
	runs = hash_create("vibe runs", 256, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	memset(counts, 0, sizeof(counts));
}

/* A copy that lives as long as the table. */
char *
vibe_run_keep(const char *text)
{
	return MemoryContextStrdup(run_context, text);
}

/*
 * A new entry; NULL if there is one of this id, which a correct database
 * never gives out twice.
 */
VibeRun *
vibe_run_add(int64 run_id, VibeRunState state, const char *runner)
{
	bool		found;
	VibeRun    *run = hash_search(runs, &run_id, HASH_ENTER, &found);

	if (found)
		return NULL;
	memset(run, 0, sizeof(VibeRun));
	run->run_id = run_id;
	run->state = state;
	run->process.pidfd = -1;
	run->end_at = VIBE_NEVER;
	run->kill_at = VIBE_NEVER;
	strlcpy(run->runner, runner != NULL ? runner : "", sizeof(run->runner));
	counts[state]++;
	return run;
}

VibeRun *
vibe_run_find(int64 run_id)
{
	return hash_search(runs, &run_id, HASH_FIND, NULL);
}

static bool
is_legal(VibeRunState from, VibeRunState to)
{
	switch (from)
	{
		case RUN_CLAIMED:
			return to == RUN_WATCHED || to == RUN_ENDED;
		case RUN_WATCHED:
			return to == RUN_SWEEPING || to == RUN_ENDED;
		case RUN_SWEEPING:
			return to == RUN_ENDED;
		case RUN_ENDED:
			return to == RUN_SETTLED;
		default:
			return false;
	}
}

/* The only place where a run changes its state. */
void
vibe_run_move(VibeRun *run, VibeRunState to)
{
	Assert(is_legal(run->state, to));
	if (!is_legal(run->state, to))
		elog(ERROR, "run " INT64_FORMAT " cannot go from state %d to %d",
			 run->run_id, run->state, to);

	counts[run->state]--;
	counts[to]++;
	run->state = to;
	run->tries = 0;
	run->retry_at = 0;
	run->end_at = VIBE_NEVER;
	run->kill_at = VIBE_NEVER;
	if (to != RUN_WATCHED)
	{
		vibe_shim_forget(&run->process);
		run->unmarked = false;
	}
	if (run->run != NULL)
		pfree(run->run);
	run->run = NULL;
}

/* End a run with a record of our own, because its shim wrote none. */
void
vibe_run_end(VibeRun *run, const char *outcome, const char *error)
{
	StringInfoData record;

	initStringInfo(&record);
	appendStringInfo(&record, "{\"protocol\":1,\"run_id\":\"" INT64_FORMAT "\",\"outcome\":\"%s\",\"error\":",
					 run->run_id, outcome);
	if (error != NULL)
		escape_json(&record, error);
	else
		appendStringInfoString(&record, "null");
	appendStringInfo(&record, ",\"exit_code\":null,\"exit_signal\":null,\"ended_at\":" INT64_FORMAT ",\"staged\":false}",
					 (int64) time(NULL));
	if (run->record != NULL)
		pfree(run->record);
	run->record = vibe_run_keep(record.data);
	pfree(record.data);
	if (run->state != RUN_ENDED)
		vibe_run_move(run, RUN_ENDED);
}

/* Try again what this state waits for: after 1 s, 2 s, ... up to 10 min. */
void
vibe_run_retry_later(VibeRun *run)
{
	run->tries++;
	run->retry_at = vibe_monotonic_ms() +
		Min(500L << Min(run->tries, 12), LONGEST_RETRY_MS);
}

/* Also legal during a scan, for the entry the scan returned last. */
void
vibe_run_remove(VibeRun *run)
{
	Assert(run->state == RUN_SETTLED || run->state == RUN_CLAIMED);
	counts[run->state]--;
	vibe_shim_forget(&run->process);
	if (run->run != NULL)
		pfree(run->run);
	if (run->record != NULL)
		pfree(run->record);
	if (run->publish_path != NULL)
		pfree(run->publish_path);
	hash_search(runs, &run->run_id, HASH_REMOVE, NULL);
}

void
vibe_run_scan(HASH_SEQ_STATUS *scan)
{
	hash_seq_init(scan, runs);
}

int
vibe_run_count(VibeRunState state)
{
	return counts[state];
}

int
vibe_run_count_occupied(void)
{
	return counts[RUN_CLAIMED] + counts[RUN_WATCHED] + counts[RUN_SWEEPING];
}

/* Runs of a dropped extension that are still about. */
int
vibe_run_count_discarded(void)
{
	HASH_SEQ_STATUS scan;
	VibeRun    *run;
	int			count = 0;

	vibe_run_scan(&scan);
	while ((run = hash_seq_search(&scan)) != NULL)
		count += run->discard;
	return count;
}

int
vibe_run_count_of_runner(const char *runner)
{
	HASH_SEQ_STATUS scan;
	VibeRun    *run;
	int			count = 0;

	vibe_run_scan(&scan);
	while ((run = hash_seq_search(&scan)) != NULL)
		count += run->state <= RUN_SWEEPING && strcmp(run->runner, runner) == 0;
	return count;
}
