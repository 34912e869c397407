/*
 * parse_opencode.c
 *		Kind opencode: the JSON lines of opencode run.
 *
 * There is no last event.  Work is done when a step has finished that did not
 * ask for tools and the latest text came after the last tool; another step may
 * still follow.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "cli.h"
#include "launch.h"

/* Seconds as a number in text; a date is left to the provider's usual pause. */
static void
take_retry_after(Report *report, json_t *headers)
{
	const char *name;
	json_t	   *value;

	json_object_foreach(headers, name, value)
	{
		const char *text = json_string_value(value);
		char	   *end;
		double		seconds;

		if (text == NULL || strcasecmp(name, "retry-after") != 0)
			continue;
		seconds = strtod(text, &end);
		if (end != text && *end == '\0')
			cli_retry_after(report, seconds);
	}
}

static void
take_error(Report *report, json_t *error)
{
	json_t	   *data = json_object_get(error, "data");
	const char *name = json_text(error, "name");
	json_int_t	status = json_integer_value(json_object_get(data, "statusCode"));
	char	   *text = cli_string(json_object_get(data, "message"));

	if (text == NULL)
		text = text_format("ended with %.100s", name ? name : "an error");
	if (name != NULL && strcmp(name, "ProviderAuthError") == 0)
		cli_decide(report, VERDICT_AUTH, text);
	else
		cli_fail(report, status, text);
	if (report->cli.verdict == VERDICT_RATE_LIMITED)
		take_retry_after(report, json_object_get(data, "responseHeaders"));
	free(text);
}

/* total tells whether reasoning is part of output or stands beside it. */
static void
take_usage(Report *report, json_t *part)
{
	json_t	   *tokens = json_object_get(part, "tokens");
	json_t	   *cache = json_object_get(tokens, "cache");
	json_int_t	reasoning = cli_count(tokens, "reasoning");
	json_int_t	counters[USAGE_COUNTERS];
	json_int_t	sum = 0;

	if (!json_is_object(tokens))
		return;
	counters[INPUT_TOKENS] = cli_count(tokens, "input");
	counters[OUTPUT_TOKENS] = cli_count(tokens, "output");
	counters[CACHE_READ_TOKENS] = cli_count(cache, "read");
	counters[CACHE_WRITE_TOKENS] = cli_count(cache, "write");
	for (int i = 0; i < USAGE_COUNTERS; i++)
		sum += counters[i];
	if (sum + reasoning == cli_count(tokens, "total"))
		counters[OUTPUT_TOKENS] += reasoning;
	cli_add_usage(report, counters);
	cli_add_cost(report, json_object_get(part, "cost"));
}

static void
take_finish(Report *report, json_t *part)
{
	static const char *const broken[] = {"length", "content-filter", "error"};
	const char *reason = json_text(part, "reason");
	char	   *text;

	take_usage(report, part);
	for (size_t i = 0; reason != NULL && i < sizeof(broken) / sizeof(broken[0]); i++)
	{
		if (strcmp(reason, broken[i]) != 0)
			continue;
		text = text_format("the model's answer ended early: %s", reason);
		cli_decide(report, VERDICT_FAILED, text);
		free(text);
		return;
	}
	if (reason != NULL && strcmp(reason, "tool-calls") != 0 &&
		!report->cli.text_over && report->cli.text.length > 0)
		cli_decide(report, VERDICT_DONE, NULL);
}

void
parse_opencode_line(Report *report, const char *line, size_t length)
{
	json_t	   *message = cli_message(line, length);
	const char *type = json_text(message, "type");
	json_t	   *part = json_object_get(message, "part");

	if (type != NULL)
	{
		report_add_session(report, json_text(message, "sessionID"));
		if (strcmp(type, "step_start") == 0)
			cli_goes_on(report);
		else if (strcmp(type, "text") == 0)
			cli_set_text(report, json_object_get(part, "text"));
		else if (strcmp(type, "tool_use") == 0)
			cli_tool_ran(report);
		else if (strcmp(type, "step_finish") == 0)
			take_finish(report, part);
		else if (strcmp(type, "error") == 0)
			take_error(report, json_object_get(message, "error"));
	}
	json_decref(message);
}
