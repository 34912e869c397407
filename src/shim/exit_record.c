/*
 * exit_record.c
 *		The one file that tells the dispatcher how a run ended.
 *
 * It is there in full or not at all: temporary name, rename.  It is not flushed
 * to disk, for which the next step would have to wait: when the machine goes
 * down, the name may be on disk and the bytes behind it not.  So its last key is
 * always the same one, and a record without it does not count; a run whose end
 * was not recorded is done again.  What a record points to is on disk before it
 * is written.
 *
 * It is ASCII and limited in size, because the server parses it: of an oversized one
 * first the tails go, then the result, and that makes the run a bad_result.  On
 * a full disk a record without tails and result is tried.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "buffer.h"
#include "exit_record.h"
#include "frame.h"
#include "workspace.h"

#define RECORD_LIMIT ((size_t) 2 * 1024 * 1024)
#define RESULT_LIMIT_ASCII ((size_t) 1024 * 1024)
#define ERROR_LIMIT 4096
#define SHORT_TAIL ((size_t) 4096)
#define DUMP_FLAGS (JSON_ENSURE_ASCII | JSON_COMPACT | JSON_REAL_PRECISION(15))

typedef enum Detail
{
	DETAIL_FULL,
	DETAIL_SHORT_TAILS,
	DETAIL_NO_RESULT,
	DETAIL_BARE
} Detail;

static json_t *
text_or_null(const char *text, size_t limit)
{
	json_t	   *value = NULL;

	if (text != NULL)
		value = json_stringn(text, utf8_cut(text, strlen(text), limit));
	return value ? value : json_null();
}

static json_t *
tail_of(const Capture *capture, Detail detail)
{
	size_t		length;
	size_t		limit = detail == DETAIL_FULL ? TAIL_LIMIT : detail == DETAIL_BARE ? 0 : SHORT_TAIL;
	const char *tail = capture_tail(capture, limit, &length);
	json_t	   *value = json_stringn(tail, length);

	return value ? value : json_string("");
}

static json_t *
usage_of(const Report *report)
{
	json_t	   *usage;

	if (!report->has_usage)
		return json_null();
	usage = json_object();
	for (int i = 0; i < USAGE_COUNTERS; i++)
		json_object_set_new(usage, usage_counter_names[i], json_integer(report->counters[i]));
	json_object_set_new(usage, "cost_usd", report->cost >= 0 ? json_real(report->cost) : json_null());
	json_object_set_new(usage, "model", text_or_null(report->model, ERROR_LIMIT));
	return usage;
}

/* "exit code 3" alone helps nobody: the last line of stderr is added. */
static json_t *
error_of(const ExitRecord *record)
{
	const char *error = record->outcome->error;
	size_t		length;
	const char *tail = capture_tail(record->err, 500, &length);
	size_t		start;
	char	   *text;
	json_t	   *value;

	while (length > 0 && (tail[length - 1] == '\n' || tail[length - 1] == '\r'))
		length--;
	for (start = length; start > 0 && tail[start - 1] != '\n';)
		start--;
	if (error == NULL || record->outcome->explained || length == start ||
		strncmp(record->outcome->name, "cancel", 6) == 0)
		return text_or_null(error, ERROR_LIMIT);
	text = text_format("%.*s: %.*s", (int) utf8_cut(error, strlen(error), ERROR_LIMIT - 600), error,
					   (int) (length - start), tail + start);
	value = text_or_null(text, ERROR_LIMIT);
	free(text);
	return value;
}

static json_t *
result_of(const ExitRecord *record)
{
	json_t	   *result;

	if (record->report->result == NULL)
		return json_null();
	result = json_copy(record->report->result);
	if (record->output_path != NULL)
		json_object_set_new(result, "output_path", json_string(record->output_path));
	return result;
}

/* Only of a run that the limit has ended: another one got around it. */
static json_t *
resets_at_of(const ExitRecord *record)
{
	double		epoch = record->report->cli.resets_at;

	if (epoch == 0 || strcmp(record->outcome->name, "rate_limited") != 0)
		return json_null();
	return json_real(epoch);
}

/* The wait is the provider's: a command-line agent met its limit, or an agent said so. */
static bool
pauses_provider(const ExitRecord *record)
{
	return strcmp(record->outcome->name, "rate_limited") == 0 &&
		(record->report->cli.verdict == VERDICT_RATE_LIMITED || record->report->retry_of_provider);
}

static void
set_outcome(json_t *document, const ExitRecord *record, bool no_result)
{
	const AgentEnd *end = record->end;

	if (no_result && outcome_has_output(record->outcome))
	{
		json_object_set_new(document, "outcome", json_string("bad_result"));
		json_object_set_new(document, "error", json_string("result is too large to be stored"));
	}
	else
	{
		json_object_set_new(document, "outcome", json_string(record->outcome->name));
		json_object_set_new(document, "error", error_of(record));
	}
	if (record->outcome->permanent)
		json_object_set_new(document, "permanent", json_true());
	json_object_set_new(document, "exit_code", end->exit_code >= 0 ? json_integer(end->exit_code) : json_null());
	json_object_set_new(document, "exit_signal", end->exit_signal ? json_integer(end->exit_signal) : json_null());
}

static json_t *
record_build(const ExitRecord *record, Detail detail)
{
	const Report *report = record->report;
	json_t	   *document = json_object();
	bool		no_result = detail >= DETAIL_NO_RESULT;
	json_t	   *artifacts = no_result ? NULL : report->artifacts;

	json_object_set_new(document, "protocol", json_integer(PROTOCOL));
	json_object_set_new(document, "run_id", json_string(record->run_id));
	set_outcome(document, record, no_result);
	json_object_set_new(document, "started_at", json_real(record->started_at));
	json_object_set_new(document, "ended_at", json_real(record->ended_at));
	json_object_set_new(document, "result", no_result ? json_null() : result_of(record));
	json_object_set_new(document, "retry_after_s",
						report->retry && report->retry_after >= 0 ? json_real(report->retry_after) : json_null());
	json_object_set_new(document, "resets_at", resets_at_of(record));
	json_object_set_new(document, "pauses_provider", json_boolean(pauses_provider(record)));
	json_object_set_new(document, "usage", usage_of(report));
	json_object_set_new(document, "session", text_or_null(report->session, ERROR_LIMIT));
	json_object_set_new(document, "artifacts", artifacts ? json_incref(artifacts) : json_array());
	json_object_set_new(document, "stdout_tail", tail_of(record->out, detail));
	json_object_set_new(document, "stderr_tail", tail_of(record->err, detail));
	json_object_set_new(document, "stdout_dropped", json_integer(record->out->dropped));
	json_object_set_new(document, "stderr_dropped", json_integer(record->err->dropped));
	json_object_set_new(document, "leftover_processes", json_integer(record->end->leftover));
	/* the last one, by which the dispatcher knows that the record is whole */
	json_object_set_new(document, "staged", json_boolean(record->staged && !no_result));
	return document;
}

static bool
write_all(int fd, const char *bytes, size_t length)
{
	while (length > 0)
	{
		ssize_t		written = write(fd, bytes, length);

		if (written <= 0)
			return false;
		bytes += written;
		length -= written;
	}
	return true;
}

/* An empty file under a name that is not read yet; -1 if there can be none. */
static int
open_temporary(int dir_fd, const char *name, char *temporary, size_t size)
{
	snprintf(temporary, size, "%s.tmp", name);
	return file_open_empty(dir_fd, temporary);
}

/* Puts a file in place, whole; durable: with its bytes on disk before its name is there. */
bool
file_publish(int dir_fd, const char *name, const char *bytes, size_t length, bool durable)
{
	char		temporary[64];
	bool		written;
	int			fd = open_temporary(dir_fd, name, temporary, sizeof(temporary));

	if (fd < 0)
		return false;
	written = write_all(fd, bytes, length) && (!durable || fsync(fd) == 0);
	/* some file systems tell only here that there was no room */
	written = close(fd) == 0 && written;
	if (written)
		written = renameat(dir_fd, temporary, dir_fd, name) == 0;
	if (!written)
		unlinkat(dir_fd, temporary, 0);
	return written;
}

/*
 * The record's file, made while the agent works: its end is waited for, and to
 * make a file is the slowest part of writing it.
 */
static int	reserved_fd = -1;

void
exit_record_reserve(int dir_fd)
{
	char		temporary[64];

	reserved_fd = open_temporary(dir_fd, "exit", temporary, sizeof(temporary));
}

static bool
publish_record(int dir_fd, const char *text, size_t length)
{
	int			fd = reserved_fd;
	bool		written;

	reserved_fd = -1;
	if (fd < 0)
		return file_publish(dir_fd, "exit", text, length, false);
	written = write_all(fd, text, length);
	written = close(fd) == 0 && written && renameat(dir_fd, "exit.tmp", dir_fd, "exit") == 0;
	return written || file_publish(dir_fd, "exit", text, length, false);
}

void
exit_record_write(int dir_fd, const ExitRecord *record)
{
	for (Detail detail = DETAIL_FULL; detail <= DETAIL_BARE; detail++)
	{
		json_t	   *document = record_build(record, detail);
		json_t	   *result = json_object_get(document, "result");
		char	   *text = json_dumps(document, DUMP_FLAGS);
		size_t		length = text ? strlen(text) : 0;
		bool		fits = length > 0 && length <= RECORD_LIMIT &&
		(json_is_null(result) || json_dumpb(result, NULL, 0, DUMP_FLAGS) <= RESULT_LIMIT_ASCII);
		bool		written = fits && publish_record(dir_fd, text, length);

		free(text);
		json_decref(document);
		if (written)
			return;
	}
}
