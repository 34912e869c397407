/*-------------------------------------------------------------------------
 *
 * finish.c
 *		Records the ends of runs, publishes their output, puts files away.
 *
 * Ends are recorded in batches, one transaction for many runs, because that
 * is what a thousand short runs need; a run that spoils a batch is then tried
 * alone, and if its own record is what the database refuses, once more with
 * nothing but its outcome.  So no text that an agent can produce keeps a task
 * waiting for ever.
 *
 * What follows the commit (publishing, moving the directory) can be repeated:
 * after a crash the successor finds the directory still in runs/, records the
 * same end again, which changes nothing, and goes on from there.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <errno.h>

#include "clock.h"
#include "finish.h"
#include "guc.h"
#include "json_peek.h"
#include "lib/stringinfo.h"
#include "publish.h"
#include "run_directory.h"
#include "run_table.h"
#include "work.h"

#define MAX_BATCH 64
#define MAX_BATCH_BYTES (16 * 1024 * 1024)
#define MAX_ALONE 8				/* transactions per turn for single runs */
#define MAX_RECORD_SIZE (4 * 1024 * 1024)
#define MAX_PUBLISH_TRIES 20	/* about two hours */

static char *reduce_record(VibeRun *run, const char *record, size_t length);
static bool is_whole(const char *record, size_t length);
static bool load_record(VibeRun *run, VibeFinishItem *item, size_t *length);
static int	compare_items(const void *a, const void *b);
static void take_result(VibeRun *run, VibeFinishItem *item);
static void finish_some(bool alone, int max);

/*
 * What is left of a record that the database refused: outcome, exit code and
 * signal, each checked to be what it should.
 */
static char *
reduce_record(VibeRun *run, const char *record, size_t length)
{
	StringInfoData text;
	char		outcome[32];
	int64		number;

	if (vibe_json_peek(record, length, "outcome", outcome, sizeof(outcome)) != PEEK_VALUE ||
		outcome[strspn(outcome, "abcdefghijklmnopqrstuvwxyz_")] != '\0')
		strlcpy(outcome, "bad_result", sizeof(outcome));
	initStringInfo(&text);
	appendStringInfo(&text, "{\"protocol\":1,\"run_id\":\"" INT64_FORMAT "\",\"outcome\":\"%s\","
					 "\"error\":\"the full record of this run could not be stored\"",
					 run->run_id, outcome);
	if (vibe_json_peek_int64(record, length, "exit_code", &number) && number >= 0 && number <= 255)
		appendStringInfo(&text, ",\"exit_code\":%d", (int) number);
	if (vibe_json_peek_int64(record, length, "exit_signal", &number) && number > 0 && number <= 64)
		appendStringInfo(&text, ",\"exit_signal\":%d", (int) number);
	appendStringInfoChar(&text, '}');
	return text.data;
}

/*
 * Is a record there to its end?  It is not flushed to disk, so that a crash of
 * the machine can cut it off; its last key is always "staged".
 */
static bool
is_whole(const char *record, size_t length)
{
	char		staged[8];

	return length > 0 && record[length - 1] == '}' &&
		vibe_json_peek(record, length, "staged", staged, sizeof(staged)) == PEEK_VALUE;
}

/*
 * The record of a run, from memory or its exit file.  False if it has to be
 * tried again; a file that is no record at all makes a bad_result.
 */
static bool
load_record(VibeRun *run, VibeFinishItem *item, size_t *length)
{
	char	   *record = run->record;

	if (record != NULL)
		*length = strlen(record);
	else
		record = vibe_run_read(run->run_id, "exit", MAX_RECORD_SIZE, length);
	if (record == NULL && errno != ENOENT && errno != EFBIG)
	{
		if (run->tries == 0)
			ereport(LOG,
					(errcode_for_file_access(),
					 errmsg("could not read the exit record of run " INT64_FORMAT ": %m", run->run_id)));
		vibe_run_retry_later(run);
		return false;
	}
	if (record == NULL || (run->record == NULL && !is_whole(record, *length)))
	{
		vibe_run_end(run, record == NULL && errno == EFBIG ? "bad_result" : "lost",
					 record != NULL ? "the exit record was cut off, as by a crash of the machine" :
					 errno == EFBIG ? "the exit record is not a file of acceptable size" :
					 "the exit record has disappeared");
		record = run->record;
		*length = strlen(record);
	}
	/* a zero byte would end the text early: keep what is before it */
	if (run->reduced || memchr(record, '\0', *length) != NULL)
	{
		record = reduce_record(run, record, *length);
		*length = strlen(record);
	}
	memset(item, 0, sizeof(VibeFinishItem));
	item->run_id = run->run_id;
	item->task_id = run->task_id;
	item->record = record;
	return true;
}

/* Tasks are locked in the order of their ids, as every verb does. */
static int
compare_items(const void *a, const void *b)
{
	const VibeFinishItem *left = a;
	const VibeFinishItem *right = b;

	if (left->task_id != right->task_id)
		return left->task_id < right->task_id ? -1 : 1;
	return left->run_id < right->run_id ? -1 : 1;
}

/* Decide what one result means for its run. */
static void
take_result(VibeRun *run, VibeFinishItem *item)
{
	if (item->finished || item->unknown)
	{
		if (item->publish_path != NULL)
			run->publish_path = vibe_run_keep(item->publish_path);
		vibe_run_move(run, RUN_SETTLED);
		return;
	}
	if (!run->alone)
	{
		/* at once: another run of the batch may have been the reason */
		run->alone = true;
		return;
	}
	if (run->tries == 0)
		ereport(LOG,
				(errmsg("could not record the end of run " INT64_FORMAT ": %s", run->run_id,
						item->message ? item->message : "the transaction did not commit")));
	if (!item->retry && item->message != NULL && !run->reduced)
		run->reduced = true;
	else
		vibe_run_retry_later(run);
}

/*
 * Finish up to max runs in one transaction.  alone selects
 * those that failed in a batch, of which max must be 1.
 */
static void
finish_some(bool alone, int max)
{
	VibeFinishItem items[MAX_BATCH];
	HASH_SEQ_STATUS scan;
	VibeRun    *run;
	int64		now = vibe_monotonic_ms();
	size_t		bytes = 0;
	int			count = 0;
	bool		committed;

	vibe_run_scan(&scan);
	while ((run = hash_seq_search(&scan)) != NULL)
	{
		size_t		length;

		if (run->state != RUN_ENDED || run->alone != alone || now < run->retry_at)
			continue;
		if (!load_record(run, &items[count], &length))
			continue;
		bytes += length;
		count++;
		if (count == max || bytes > MAX_BATCH_BYTES)
		{
			hash_seq_term(&scan);
			break;
		}
	}
	if (count == 0)
		return;

	qsort(items, count, sizeof(VibeFinishItem), compare_items);
	committed = vibe_work_finish(items, count);
	for (int i = 0; i < count; i++)
	{
		run = vibe_run_find(items[i].run_id);
		if (!committed)
		{
			/* nothing of it happened, and the reason may be in any of them */
			run->alone = true;
			vibe_run_retry_later(run);
			continue;
		}
		take_result(run, &items[i]);
	}
}

/* Record the ends of runs. */
void
vibe_finish_ended(void)
{
	if (vibe_run_count(RUN_ENDED) == 0)
		return;
	finish_some(false, MAX_BATCH);
	for (int i = 0; i < MAX_ALONE; i++)
		finish_some(true, 1);
}

/*
 * Publish and put away what is recorded.  Output that cannot be published
 * (a directory that may not be written) is tried for some time, and then
 * stays with the run's files.
 */
void
vibe_finish_settle(void)
{
	HASH_SEQ_STATUS scan;
	VibeRun    *run;
	int64		now = vibe_monotonic_ms();

	if (vibe_run_count(RUN_SETTLED) == 0)
		return;
	vibe_run_scan(&scan);
	while ((run = hash_seq_search(&scan)) != NULL)
	{
		char	   *problem = NULL;

		if (run->state != RUN_SETTLED || now < run->retry_at)
			continue;
		if (run->publish_path != NULL && run->tries < MAX_PUBLISH_TRIES &&
			!vibe_publish(vibe_run_path(run->run_id, "publish"), run->publish_path, &problem))
		{
			if (run->tries == 0)
				ereport(LOG,
						(errmsg("could not publish the output of run " INT64_FORMAT ": %s",
								run->run_id, problem)));
			vibe_run_retry_later(run);
			continue;
		}
		if (vibe_run_put_away(run->run_id, vibe_run_file_retention > 0))
		{
			vibe_run_remove(run);
			continue;
		}
		if (run->tries == 0)
			ereport(LOG,
					(errcode_for_file_access(),
					 errmsg("could not put away the files of run " INT64_FORMAT ": %m", run->run_id)));
		vibe_run_retry_later(run);
	}
}

/* When something of this file can be tried again. */
int64
vibe_finish_deadline(bool database_usable)
{
	HASH_SEQ_STATUS scan;
	VibeRun    *run;
	int64		deadline = VIBE_NEVER;

	if (vibe_run_count(RUN_ENDED) + vibe_run_count(RUN_SETTLED) == 0)
		return VIBE_NEVER;
	vibe_run_scan(&scan);
	while ((run = hash_seq_search(&scan)) != NULL)
	{
		if (run->state == RUN_SETTLED || (run->state == RUN_ENDED && database_usable))
			deadline = Min(deadline, run->retry_at);
	}
	return deadline;
}
