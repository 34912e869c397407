/*
 * parse_claude.c
 *		Kind claude: Claude Code's stream-json, or its one-line json.
 *
 * The result event decides, by is_error: subtype "success" stands in failures
 * of the API as well.  Several events carry one message, each with the usage of
 * its start; so a message is counted once, and what the result says of all
 * models replaces the sum.  What counts of a killed run is a lower bound.
 */
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "launch.h"

#define MOST_MESSAGES 100000

/* The word that events carry when there is no status. */
static Verdict
verdict_of_word(const char *word)
{
	if (word == NULL)
		return VERDICT_NONE;
	if (strcmp(word, "rate_limit") == 0)
		return VERDICT_RATE_LIMITED;
	if (strcmp(word, "authentication_failed") == 0 || strcmp(word, "billing_error") == 0)
		return VERDICT_AUTH;
	return VERDICT_FAILED;
}

static void
take_retry(Report *report, json_t *message)
{
	const char *word = json_text(message, "error");
	json_int_t	status = json_integer_value(json_object_get(message, "error_status"));
	Verdict		trouble = cli_verdict_of_status(status);
	char	   *text = text_format("gave up while it tried again: status %lld, %.100s",
								   (long long) status, word ? word : "no reason told");

	cli_trouble(report, trouble != VERDICT_NONE ? trouble : verdict_of_word(word), text);
	report->cli.waiting = true;
	free(text);
}

static void
read_usage(json_t *usage, const char *const *keys, json_int_t *counters)
{
	for (int i = 0; i < USAGE_COUNTERS; i++)
		counters[i] += cli_count(usage, keys[i]);
}

static const char *const usage_keys[USAGE_COUNTERS] = {
	[INPUT_TOKENS] = "input_tokens",
	[OUTPUT_TOKENS] = "output_tokens",
	[CACHE_READ_TOKENS] = "cache_read_input_tokens",
	[CACHE_WRITE_TOKENS] = "cache_creation_input_tokens"
};

static const char *const model_usage_keys[USAGE_COUNTERS] = {
	[INPUT_TOKENS] = "inputTokens",
	[OUTPUT_TOKENS] = "outputTokens",
	[CACHE_READ_TOKENS] = "cacheReadInputTokens",
	[CACHE_WRITE_TOKENS] = "cacheCreationInputTokens"
};

static void
take_assistant(Report *report, json_t *message)
{
	Cli		   *cli = &report->cli;
	json_t	   *content = json_object_get(message, "message");
	json_t	   *usage = json_object_get(content, "usage");
	const char *id = json_text(content, "id");
	json_int_t	counters[USAGE_COUNTERS] = {0};
	char	   *text;

	text = cli_string(json_object_get(message, "error"));
	cli_trouble(report, verdict_of_word(text), text);
	free(text);
	/* a result has told all there is */
	if (cli->verdict != VERDICT_NONE || id == NULL || !json_is_object(usage))
		return;
	if (cli->seen == NULL)
		cli->seen = json_object();
	if (json_object_get(cli->seen, id) != NULL || json_object_size(cli->seen) >= MOST_MESSAGES)
		return;
	json_object_set_new(cli->seen, id, json_true());
	read_usage(usage, usage_keys, counters);
	cli_add_usage(report, counters);
}

static void
take_limit(Report *report, json_t *message)
{
	json_t	   *info = json_object_get(message, "rate_limit_info");
	const char *status = json_text(info, "status");

	if (status == NULL)
		return;
	/* allowed_warning is no limit yet */
	if (strcmp(status, "rejected") != 0)
		cli_resets_at(report, 0);
	else
	{
		cli_resets_at(report, json_number_value(json_object_get(info, "resetsAt")));
		cli_trouble(report, VERDICT_RATE_LIMITED, "the provider's limit is reached");
	}
}

static void
take_usage(Report *report, json_t *message)
{
	json_t	   *models = json_object_get(message, "modelUsage");
	json_t	   *usage = json_object_get(message, "usage");
	json_int_t	counters[USAGE_COUNTERS] = {0};
	const char *name;
	json_t	   *one;

	if (json_object_size(models) > 0)
		json_object_foreach(models, name, one)
			read_usage(one, model_usage_keys, counters);
	else if (json_is_object(usage))
		read_usage(usage, usage_keys, counters);
	else
		return;
	cli_set_usage(report, counters);
	report->cost = -1;
	cli_add_cost(report, json_object_get(message, "total_cost_usd"));
}

static void
take_result(Report *report, json_t *message)
{
	Cli		   *cli = &report->cli;
	json_t	   *text = json_object_get(message, "result");
	const char *subtype = json_text(message, "subtype");
	json_int_t	status = json_integer_value(json_object_get(message, "api_error_status"));
	char	   *complaint;

	take_usage(report, message);
	if (json_is_false(json_object_get(message, "is_error")) && json_is_string(text))
	{
		cli_set_text(report, text);
		cli_decide(report, VERDICT_DONE, NULL);
		return;
	}
	complaint = cli_string(text);
	if (complaint == NULL)
		complaint = cli_string(json_array_get(json_object_get(message, "errors"), 0));
	if (complaint == NULL)
		complaint = text_format("ended with %.100s", subtype ? subtype : "an error");
	if (status == 0 && subtype != NULL && strcmp(subtype, "error_max_budget_usd") == 0)
		cli_decide(report, VERDICT_BUDGET, complaint);
	/* an empty account is answered like a wrong request */
	else if ((status == 0 || status == 400) &&
			 (cli->trouble == VERDICT_RATE_LIMITED || cli->trouble == VERDICT_AUTH))
		cli_decide(report, cli->trouble, complaint);
	else
		cli_fail(report, status, complaint);
	free(complaint);
}

void
parse_claude_line(Report *report, const char *line, size_t length)
{
	json_t	   *message = cli_message(line, length);
	const char *type = json_text(message, "type");
	const char *subtype = json_text(message, "subtype");

	if (type != NULL)
	{
		report->cli.waiting = false;
		report_add_session(report, json_text(message, "session_id"));
		if (strcmp(type, "assistant") == 0)
			take_assistant(report, message);
		else if (strcmp(type, "result") == 0)
			take_result(report, message);
		else if (strcmp(type, "rate_limit_event") == 0)
			take_limit(report, message);
		else if (strcmp(type, "system") == 0 && subtype != NULL && strcmp(subtype, "api_retry") == 0)
			take_retry(report, message);
		else if (strcmp(type, "system") == 0 && subtype != NULL && strcmp(subtype, "init") == 0)
			report_set_model(report, json_text(message, "model"));
	}
	json_decref(message);
}
