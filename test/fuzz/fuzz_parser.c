/*
 * fuzz_parser.c
 *		Any bytes as the output of an agent of the kind FUZZ_KIND.
 *
 * The bytes take the way that an agent's stdout takes: made text, cut into lines,
 * parsed, judged.  Beyond what the sanitizers look for, a run may only be done by
 * exit code 0, and whatever is stored has to be JSON that a database takes.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "outcome.h"
#include "utf8.h"

int			LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
must(bool condition)
{
	if (!condition)
		abort();
}

static void
feed(const Kind *kind, Report *report, const Buffer *text)
{
	const char *line = text->data;
	const char *end;

	if (text->length == 0)
		return;
	end = text->data + text->length;
	while (line < end)
	{
		const char *newline = memchr(line, '\n', end - line);
		size_t		length = newline ? newline - line : end - line;

		/* a copy of its own size, so that reading beyond it is seen */
		char	   *copy = malloc(length ? length : 1);

		memcpy(copy, line, length);
		if (length > 0)
			kind->line(report, copy, length);
		free(copy);
		line += length + 1;
	}
	if (kind->exited == NULL)
		parse_vibe_file(report, text->data, text->length);
}

static void
check_text(json_t *text)
{
	must(!json_is_string(text) || strlen(json_string_value(text)) == json_string_length(text));
}

static void
check(const Report *report, const Outcome *outcome, const AgentEnd *end)
{
	char	   *text;

	must(outcome->name != NULL);
	must(strcmp(outcome->name, "done") != 0 || end->exit_code == 0);
	for (int i = 0; i < USAGE_COUNTERS; i++)
		must(report->counters[i] >= 0 && report->counters[i] <= MOST_TOKENS);
	must(report->cost <= MOST_COST);
	if (report->result == NULL)
		return;
	text = json_dumps(report->result, JSON_ENSURE_ASCII | JSON_COMPACT);
	must(text != NULL);
	free(text);
	check_text(json_object_get(report->result, "summary"));
	check_text(json_object_get(json_object_get(report->result, "output"), "text"));
}

static void
clear(Report *report, Outcome *outcome)
{
	free(outcome->error);
	json_decref(report->result);
	json_decref(report->artifacts);
	json_decref(report->cli.seen);
	free(report->refused);
	free(report->session);
	free(report->model);
	free(report->retry_reason);
	free(report->cli.complaint);
	free(report->cli.trouble_text);
	buffer_free(&report->cli.text);
	buffer_free(&report->cli.document);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const int codes[] = {0, 1, 2, 41, 173};
	const Kind *kind = kind_find(FUZZ_KIND);
	Report		report = {.run_id = "1", .cost = -1, .retry_after = -1};
	AgentEnd	end = {.exit_code = codes[size % 5]};
	Utf8Filter	filter = {0};
	Buffer		text = {0};
	Outcome		outcome;

	utf8_filter(&filter, (const char *) data, size, true, &text);
	feed(kind, &report, &text);
	if (kind->exited != NULL)
		kind->exited(&report, end.exit_code);
	outcome = outcome_decide(CAUSE_NONE, &end, &report, kind);
	if (kind->exited != NULL && outcome_has_output(&outcome))
		cli_take_result(&report);
	check(&report, &outcome, &end);
	clear(&report, &outcome);
	buffer_free(&text);
	return 0;
}
