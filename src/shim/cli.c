/*
 * cli.c
 *		What the parsers of the command-line agents have in common.
 *
 * claude, codex, gemini and opencode print JSON lines of their own.  Each parser
 * turns them into one verdict (how the work ended), the agent's last text, and
 * usage.  Their makers change these formats at will, so whatever is not known is
 * passed over, and only an explicit success makes a run done: a wording that is
 * not understood costs a retry, never a wrong success.
 */
#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "launch.h"
#include "utf8.h"

#define LONGEST_TEXT ((size_t) 4 * 1024 * 1024)
#define LONGEST_COMPLAINT 2000
#define LONGEST_SUMMARY 10000	/* characters */
#define LONGEST_OUTPUT ((size_t) 900 * 1024)	/* as ASCII: the exit record takes 1 MiB */
#define EARLIEST_RESET 1.0e9	/* anything else is no time in seconds since the epoch */
#define LATEST_RESET 1.0e10

static bool
is_hex(const char *digits)
{
	for (int i = 0; i < 4; i++)
		if (!isxdigit((unsigned char) digits[i]))
			return false;
	return true;
}

static unsigned
hex_value(const char *digits)
{
	char		copy[5];

	memcpy(copy, digits, 4);
	copy[4] = '\0';
	return strtoul(copy, NULL, 16);
}

static bool
is_escape(const char *text, const char *end)
{
	return end - text >= 6 && text[0] == '\\' && text[1] == 'u' && is_hex(text + 2);
}

/*
 * JSON may write NUL and half a surrogate pair as escapes, and JavaScript does
 * when a text was cut in the middle of a character.  Neither can be stored; each
 * becomes U+FFFD, so that the rest of the line is not lost.
 */
static void
mend_escapes(char *text, size_t length)
{
	static const char replacement[] = {'f', 'f', 'f', 'd'};
	char	   *end = text + length;

	while (text < end)
	{
		unsigned	code;

		if (!is_escape(text, end))
		{
			/* an escaped backslash hides the next one */
			text += *text == '\\' ? 2 : 1;
			continue;
		}
		code = hex_value(text + 2);
		if (code >= 0xD800 && code < 0xDC00 && is_escape(text + 6, end) &&
			hex_value(text + 8) >= 0xDC00 && hex_value(text + 8) < 0xE000)
			text += 6;
		else if (code == 0 || (code >= 0xD800 && code < 0xE000))
			memcpy(text + 2, replacement, sizeof(replacement));
		text += 6;
	}
}

/* A JSON object, or NULL. */
json_t *
cli_document(const char *text, size_t length)
{
	Buffer		copy = {0};
	char	   *problem = NULL;
	json_t	   *document;

	buffer_append(&copy, text, length);
	mend_escapes(copy.data, copy.length);
	document = json_parse(copy.data ? copy.data : "", copy.length, &problem);
	buffer_free(&copy);
	free(problem);
	if (json_is_object(document))
		return document;
	json_decref(document);
	return NULL;
}

/* A line that is an object with a type, or NULL: most others save the parser. */
json_t *
cli_message(const char *line, size_t length)
{
	while (length > 0 && (*line == ' ' || *line == '\t'))
	{
		line++;
		length--;
	}
	if (length < 2 || line[0] != '{' || memmem(line, length, "\"type\"", 6) == NULL)
		return NULL;
	return cli_document(line, length);
}

/* A copy of a JSON string, cut to the length of a complaint; NULL if it is none. */
char *
cli_string(json_t *value)
{
	const char *text = json_string_value(value);

	if (text == NULL)
		return NULL;
	return text_format("%.*s", (int) utf8_cut(text, strlen(text), LONGEST_COMPLAINT), text);
}

void
cli_add_text(Report *report, json_t *value)
{
	Cli		   *cli = &report->cli;
	size_t		length = json_string_length(value);

	if (!json_is_string(value))
		return;
	if (cli->text_over)
		cli->text.length = 0;
	cli->text_over = false;
	if (cli->text.length + length <= LONGEST_TEXT)
		buffer_append(&cli->text, json_string_value(value), length);
}

void
cli_set_text(Report *report, json_t *value)
{
	if (json_is_string(value))
		report->cli.text.length = 0;
	cli_add_text(report, value);
}

/* What was said before a tool is not the answer. */
void
cli_tool_ran(Report *report)
{
	report->cli.text_over = true;
	cli_goes_on(report);
}

void
cli_decide(Report *report, Verdict verdict, const char *complaint)
{
	Cli		   *cli = &report->cli;
	char	   *copy = NULL;

	if (complaint != NULL)
		copy = text_format("%.*s", (int) utf8_cut(complaint, strlen(complaint), LONGEST_COMPLAINT),
						   complaint);
	free(cli->complaint);
	cli->complaint = copy;
	cli->verdict = verdict;
	cli->permanent = false;
	cli->waiting = false;
	report->retry = false;
}

/* The meaning of an HTTP status; VERDICT_NONE for one that is no failure. */
Verdict
cli_verdict_of_status(json_int_t status)
{
	switch (status)
	{
		case 401:
		case 402:
		case 403:
			return VERDICT_AUTH;
		case 429:
		case 529:
			return VERDICT_RATE_LIMITED;
		default:
			return status >= 400 && status <= 599 ? VERDICT_FAILED : VERDICT_NONE;
	}
}

/* A failure with the HTTP status of the model's provider, or 0. */
void
cli_fail(Report *report, json_int_t status, const char *complaint)
{
	Verdict		verdict = cli_verdict_of_status(status);

	cli_decide(report, verdict == VERDICT_NONE ? VERDICT_FAILED : verdict, complaint);
	/* the same request will be refused again */
	report->cli.permanent = status == 400 || status == 404 || status == 413 || status == 422;
	/* overloaded, which passes sooner than a limit does */
	if (status == 529)
		cli_retry_after(report, 60);
}

/* A request went wrong and is tried again: counts if nothing more is heard. */
void
cli_trouble(Report *report, Verdict trouble, const char *text)
{
	Cli		   *cli = &report->cli;
	char	   *copy = text ? text_copy(text) : NULL;

	free(cli->trouble_text);
	cli->trouble_text = copy;
	cli->trouble = trouble;
}

/* Work goes on, whatever was said before. */
void
cli_goes_on(Report *report)
{
	cli_decide(report, VERDICT_NONE, NULL);
	cli_trouble(report, VERDICT_NONE, NULL);
}

/* Without a verdict, trouble with the provider is why a program gave up. */
void
cli_exited(Report *report, int exit_code)
{
	Cli		   *cli = &report->cli;
	bool		telling = cli->trouble == VERDICT_RATE_LIMITED || cli->trouble == VERDICT_AUTH;

	if (exit_code != 0 && cli->verdict == VERDICT_NONE && telling)
		cli_decide(report, cli->trouble, cli->trouble_text);
}

/* The three digits that follow a word in a text, or 0. */
json_int_t
cli_status_in(const char *text, const char *before)
{
	for (const char *at = text; (at = strcasestr(at, before)) != NULL;)
	{
		at += strlen(before);
		at += strspn(at, ": ");
		if (strspn(at, "0123456789") == 3)
			return strtol(at, NULL, 10);
	}
	return 0;
}

void
cli_retry_after(Report *report, double seconds)
{
	if (!isfinite(seconds) || seconds < 0 || seconds > MOST_WAIT)
		return;
	report->retry = true;
	report->retry_after = seconds;
}

/* 0 takes back what was said before. */
void
cli_resets_at(Report *report, double epoch)
{
	if (epoch == 0 || (epoch >= EARLIEST_RESET && epoch <= LATEST_RESET))
		report->cli.resets_at = epoch;
}

/* A number of tokens; 0 for anything that is none. */
json_int_t
cli_count(json_t *object, const char *key)
{
	json_int_t	count = json_integer_value(json_object_get(object, key));

	return count > 0 && count <= MOST_TOKENS ? count : 0;
}

void
cli_set_usage(Report *report, const json_int_t *counters)
{
	report->has_usage = true;
	for (int i = 0; i < USAGE_COUNTERS; i++)
		report->counters[i] = counters[i] > MOST_TOKENS ? MOST_TOKENS : counters[i];
}

void
cli_add_usage(Report *report, const json_int_t *counters)
{
	json_int_t	sums[USAGE_COUNTERS];

	for (int i = 0; i < USAGE_COUNTERS; i++)
		sums[i] = report->counters[i] + counters[i];
	cli_set_usage(report, sums);
}

void
cli_add_cost(Report *report, json_t *cost)
{
	double		value = json_number_value(cost);
	double		sum = value + (report->cost > 0 ? report->cost : 0);

	if (json_is_number(cost) && isfinite(value) && value >= 0 && sum <= MOST_COST)
		report->cost = sum;
}

/* The longest head that takes at most limit bytes when written as ASCII JSON. */
static size_t
ascii_cut(const char *text, size_t length, size_t limit)
{
	size_t		size = 0;

	for (size_t i = 0; i < length; i++)
	{
		unsigned char c = text[i];

		if (c < 0x20 || c == 0x7f)
			size += 6;
		else if (c == '"' || c == '\\')
			size += 2;
		else if (c < 0x80)
			size += 1;
		else if ((c & 0xC0) != 0x80)
			size += c >= 0xF0 ? 12 : 6;
		if (size > limit)
			return utf8_cut(text, length, i);
	}
	return length;
}

/* The agent's last text as a result; what a file at VIBE_RESULT says stays. */
void
cli_take_result(Report *report)
{
	static const char *const keys[] = {
		"summary", "output", "score", "target_step", "notes", "output_path"
	};
	const char *text = report->cli.text.data;
	size_t		length = report->cli.text_over ? 0 : report->cli.text.length;
	json_t	   *output;

	if (report->result == NULL)
		report->result = json_object();
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (json_object_get(report->result, keys[i]) == NULL)
			json_object_set_new(report->result, keys[i], json_null());
	if (length == 0)
		return;
	if (json_is_null(json_object_get(report->result, "summary")))
		json_object_set_new(report->result, "summary",
							json_stringn(text, utf8_cut_characters(text, length, LONGEST_SUMMARY)));
	if (json_is_null(json_object_get(report->result, "output")))
	{
		size_t		part = ascii_cut(text, length, LONGEST_OUTPUT);

		output = json_pack("{s:o}", "text", json_stringn(text, part));
		if (part < length)
			json_object_set_new(output, "truncated", json_true());
		json_object_set_new(report->result, "output", output);
	}
}
