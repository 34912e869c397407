/*
 * parse_codex.c
 *		Kind codex: the JSON lines of codex exec.
 *
 * turn.completed and turn.failed decide; error events before them may be
 * retries, and an item of type error is a warning.  There is no status in any of
 * them, only text.  Usage is a running total of the thread: what the launch
 * record says it had used before is taken off.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli.h"
#include "launch.h"

/*
 * "try again at Nov 25th, 2026 10:00 AM": in the agent's time zone, which is
 * UTC.  0 for anything else.
 */
static double
reset_in(const char *text)
{
	const char *at = strstr(text, "try again at ");
	struct tm	when = {0};
	const char *rest;

	if (at == NULL)
		return 0;
	rest = strptime(at + strlen("try again at "), "%b %d", &when);
	if (rest == NULL || strlen(rest) < 3)
		return 0;
	rest += 2;					/* the ending of "25th" */
	if (strptime(rest, ", %Y %I:%M %p", &when) == NULL)
		return 0;
	return (double) timegm(&when);
}

static void
fail_by_text(Report *report, const char *text)
{
	json_int_t	status = cli_status_in(text, "status");

	if (status >= 400)
		cli_fail(report, status, text);
	else if (strcasestr(text, "usage limit") != NULL || strcasestr(text, "rate limit") != NULL ||
			 strcasestr(text, "quota exceeded") != NULL)
	{
		cli_decide(report, VERDICT_RATE_LIMITED, text);
		cli_resets_at(report, reset_in(text));
	}
	else if (strstr(text, "with your ChatGPT plan") != NULL)
		cli_decide(report, VERDICT_AUTH, text);
	else
		cli_decide(report, VERDICT_FAILED, text);
}

/* What the provider sends may stand there as it came. */
static void
fail_by_document(Report *report, json_t *error)
{
	const char *code = json_text(error, "code");
	const char *type = json_text(error, "type");
	char	   *text = cli_string(json_object_get(error, "message"));
	json_int_t	status = 0;

	if (type != NULL && strcmp(type, "invalid_request_error") == 0)
		status = 400;
	if (code != NULL && (strcmp(code, "rate_limit_exceeded") == 0 || strcmp(code, "insufficient_quota") == 0))
		status = 429;
	if (code != NULL && strcmp(code, "invalid_api_key") == 0)
		status = 401;
	cli_fail(report, status, text ? text : "the provider refused the request");
	free(text);
}

static void
take_failure(Report *report, json_t *value)
{
	char	   *text = cli_string(value);
	json_t	   *document = text && text[0] == '{' ? cli_document(text, strlen(text)) : NULL;
	json_t	   *error = json_object_get(document, "error");

	if (json_is_object(error))
		fail_by_document(report, error);
	else
		fail_by_text(report, text ? text : "turn failed");
	json_decref(document);
	free(text);
}

/* Printed again and again while there is no network: that is no progress. */
static void
take_error(Report *report, json_t *value)
{
	const char *text = json_string_value(value);

	report->cli.waiting = text != NULL && strncmp(text, "Reconnecting", 12) == 0;
}

static void
take_item(Report *report, json_t *item, bool completed)
{
	const char *type = json_text(item, "type");

	if (type == NULL || strcmp(type, "error") == 0)
		return;
	report->cli.waiting = false;
	if (completed && strcmp(type, "agent_message") == 0)
		cli_set_text(report, json_object_get(item, "text"));
}

static void
take_usage(Report *report, json_t *usage)
{
	json_int_t	counters[USAGE_COUNTERS];

	if (!json_is_object(usage))
		return;
	counters[CACHE_READ_TOKENS] = cli_count(usage, "cached_input_tokens");
	counters[CACHE_WRITE_TOKENS] = cli_count(usage, "cache_write_input_tokens");
	counters[OUTPUT_TOKENS] = cli_count(usage, "output_tokens");
	counters[INPUT_TOKENS] = cli_count(usage, "input_tokens") - counters[CACHE_READ_TOKENS];
	for (int i = 0; i < USAGE_COUNTERS; i++)
	{
		/* a total below what was there before does not hold it */
		if (counters[i] >= report->cli.before[i])
			counters[i] -= report->cli.before[i];
		if (counters[i] < 0)
			counters[i] = 0;
	}
	cli_set_usage(report, counters);
}

void
parse_codex_line(Report *report, const char *line, size_t length)
{
	json_t	   *message = cli_message(line, length);
	const char *type = json_text(message, "type");
	json_t	   *item = json_object_get(message, "item");

	if (type == NULL)
		;
	else if (strcmp(type, "thread.started") == 0)
		report_add_session(report, json_text(message, "thread_id"));
	else if (strcmp(type, "turn.started") == 0)
		cli_goes_on(report);
	else if (strncmp(type, "item.", 5) == 0)
		take_item(report, item, strcmp(type, "item.completed") == 0);
	else if (strcmp(type, "error") == 0)
		take_error(report, json_object_get(message, "message"));
	else if (strcmp(type, "turn.completed") == 0)
	{
		take_usage(report, json_object_get(message, "usage"));
		cli_decide(report, VERDICT_DONE, NULL);
	}
	else if (strcmp(type, "turn.failed") == 0)
		take_failure(report, json_object_get(json_object_get(message, "error"), "message"));
	json_decref(message);
}

/* 2 is wrong usage: options that this version does not know. */
void
codex_exited(Report *report, int exit_code)
{
	if (exit_code == 2 && report->cli.verdict == VERDICT_NONE)
	{
		cli_decide(report, VERDICT_FAILED, NULL);
		report->cli.permanent = true;
	}
}
