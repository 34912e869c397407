/*
 * parse_gemini.c
 *		Kind gemini: the stream-json of Gemini CLI, or its json of many lines.
 *
 * The result event tells of success; of a failure, its exit code tells most: the
 * HTTP status modulo 256, or one of its own.
 */
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "launch.h"

#define LONGEST_DOCUMENT ((size_t) 4 * 1024 * 1024)

static json_int_t
larger(json_int_t a, json_int_t b)
{
	return a > b ? a : b;
}

/* A failure without a status of its own may quote one. */
static void
take_error(Report *report, json_t *error)
{
	char	   *text = cli_string(json_object_get(error, "message"));
	json_int_t	status = json_integer_value(json_object_get(error, "code"));

	if (status == 0 && text != NULL)
		status = cli_status_in(text, "\"code\"");
	cli_fail(report, status, text ? text : "ended with an error");
	free(text);
}

/* Reasoning counts as output; of the totals, only their sum has it. */
static void
take_stats(Report *report, json_t *stats)
{
	json_int_t	counters[USAGE_COUNTERS] = {0};

	if (!json_is_object(stats))
		return;
	counters[INPUT_TOKENS] = cli_count(stats, "input");
	counters[CACHE_READ_TOKENS] = cli_count(stats, "cached");
	counters[OUTPUT_TOKENS] = larger(cli_count(stats, "output_tokens"),
									 cli_count(stats, "total_tokens") - cli_count(stats, "input_tokens"));
	cli_set_usage(report, counters);
}

static void
take_result(Report *report, json_t *message)
{
	const char *status = json_text(message, "status");

	take_stats(report, json_object_get(message, "stats"));
	if (status != NULL && strcmp(status, "success") == 0)
		cli_decide(report, VERDICT_DONE, NULL);
	else
		take_error(report, json_object_get(message, "error"));
}

static void
take_event(Report *report, const char *type, json_t *message)
{
	const char *role = json_text(message, "role");
	json_t	   *content = json_object_get(message, "content");

	if (strcmp(type, "init") == 0)
	{
		report_add_session(report, json_text(message, "session_id"));
		report_set_model(report, json_text(message, "model"));
	}
	else if (strcmp(type, "tool_use") == 0 || strcmp(type, "tool_result") == 0)
		cli_tool_ran(report);
	else if (strcmp(type, "result") == 0)
		take_result(report, message);
	/* the prompt comes back as role user */
	else if (strcmp(type, "message") != 0 || role == NULL || strcmp(role, "assistant") != 0)
		return;
	else if (json_is_true(json_object_get(message, "delta")))
		cli_add_text(report, content);
	else
		cli_set_text(report, content);
}

/* The one object of --output-format json. */
static void
take_document(Report *report, json_t *document)
{
	json_t	   *models = json_object_get(json_object_get(document, "stats"), "models");
	json_t	   *error = json_object_get(document, "error");
	json_int_t	counters[USAGE_COUNTERS] = {0};
	const char *name;
	json_t	   *model;

	report_add_session(report, json_text(document, "session_id"));
	json_object_foreach(models, name, model)
	{
		json_t	   *tokens = json_object_get(model, "tokens");

		report_set_model(report, name);
		counters[INPUT_TOKENS] += cli_count(tokens, "input");
		counters[CACHE_READ_TOKENS] += cli_count(tokens, "cached");
		counters[OUTPUT_TOKENS] += larger(cli_count(tokens, "candidates"),
										  cli_count(tokens, "total") - cli_count(tokens, "prompt"));
	}
	if (json_is_object(models))
		cli_set_usage(report, counters);
	if (json_is_object(error))
		take_error(report, error);
	else if (json_is_string(json_object_get(document, "response")))
	{
		cli_set_text(report, json_object_get(document, "response"));
		cli_decide(report, VERDICT_DONE, NULL);
	}
}

/*
 * Lines from "{" to "}" at the margin, those between them indented; true when
 * this line was one of them.
 */
static bool
add_to_document(Report *report, const char *line, size_t length)
{
	Cli		   *cli = &report->cli;
	json_t	   *document;

	if (length == 1 && line[0] == '{')
	{
		cli->document.length = 0;
		cli->in_document = true;
	}
	else if (line[0] != ' ' && line[0] != '}')
		cli->in_document = false;
	if (!cli->in_document)
		return false;
	if (cli->document.length + length < LONGEST_DOCUMENT)
	{
		buffer_append(&cli->document, line, length);
		buffer_append(&cli->document, "\n", 1);
	}
	if (line[0] != '}')
		return true;
	document = cli_document(cli->document.data, cli->document.length);
	take_document(report, document);
	json_decref(document);
	buffer_free(&cli->document);
	cli->in_document = false;
	return true;
}

void
parse_gemini_line(Report *report, const char *line, size_t length)
{
	json_t	   *message;
	const char *type;

	if (length == 0 || add_to_document(report, line, length))
		return;
	message = cli_message(line, length);
	type = json_text(message, "type");
	if (type != NULL)
		take_event(report, type, message);
	json_decref(message);
}

void
gemini_exited(Report *report, int exit_code)
{
	Cli		   *cli = &report->cli;

	switch (exit_code)
	{
		case 0:
			break;
		case 41:
			cli_decide(report, VERDICT_AUTH, cli->complaint);
			break;
		case 42:
		case 52:
		case 55:
			/* input, settings, a folder that is not trusted */
			cli_decide(report, VERDICT_FAILED, cli->complaint);
			cli->permanent = true;
			break;
		default:
			/* 128 + a signal's number may stand for that signal */
			if (exit_code >= 400 - 256)
				cli_fail(report, exit_code + 256, cli->complaint);
			break;
	}
}
