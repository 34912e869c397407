/*
 * parse_vibe.c
 *		Kind vibe: JSON lines on stdout, or one object in the file at VIBE_RESULT,
 *		which every kind but plain may write.
 *
 * Whatever is not a message of the contract is log, never an error: agents
 * print all sorts of things.  A value that cannot be right (a negative count, an
 * endless cost) is left out; a result that cannot be right is refused as a
 * whole, and an earlier valid one stays.  Messages that carry another run's id
 * are somebody else's, or forged.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "buffer.h"
#include "launch.h"
#include "parse.h"
#include "utf8.h"

#define MOST_ARTIFACTS 1000
#define LONGEST_PATH 4096
#define LONGEST_NAME 200
#define LONGEST_SUMMARY 4000
#define LONGEST_NOTES 65536

const char *const usage_counter_names[USAGE_COUNTERS] = {
	[INPUT_TOKENS] = "input_tokens",
	[OUTPUT_TOKENS] = "output_tokens",
	[CACHE_READ_TOKENS] = "cache_read_tokens",
	[CACHE_WRITE_TOKENS] = "cache_write_tokens"
};

static const struct
{
	const char *name;
	ResultStatus status;
}			statuses[] = {
	{"done", RESULT_DONE},
	{"revise", RESULT_REVISE},
	{"blocked", RESULT_BLOCKED},
	{"failed", RESULT_FAILED},
};

static void
replace_text(char **field, const char *text)
{
	free(*field);
	*field = text_copy(text);
}

static void
refuse(Report *report, const char *reason)
{
	replace_text(&report->refused, reason);
}

static bool
is_own(const Report *report, json_t *message)
{
	json_t	   *run_id = json_object_get(message, "run_id");
	bool		own;
	char	   *text;

	if (run_id == NULL || json_is_null(run_id))
		return true;
	if (json_is_string(run_id))
		return strcmp(json_string_value(run_id), report->run_id) == 0;
	if (!json_is_integer(run_id))
		return false;
	text = text_format("%lld", (long long) json_integer_value(run_id));
	own = strcmp(text, report->run_id) == 0;
	free(text);
	return own;
}

static void
take_usage(Report *report, json_t *message)
{
	json_t	   *cost = json_object_get(message, "cost_usd");
	double		value = json_number_value(cost);

	report->has_usage = true;
	for (int i = 0; i < USAGE_COUNTERS; i++)
	{
		json_int_t	count = json_integer_value(json_object_get(message, usage_counter_names[i]));

		/* totals of a run only grow */
		if (count > report->counters[i] && count <= MOST_TOKENS)
			report->counters[i] = count;
	}
	if (json_is_number(cost) && isfinite(value) && value >= 0 && value <= MOST_COST &&
		value > report->cost)
		report->cost = value;
	report_set_model(report, json_text(message, "model"));
}

void
report_set_model(Report *report, const char *model)
{
	if (model != NULL && model[0] != '\0' && strlen(model) <= LONGEST_NAME)
		replace_text(&report->model, model);
}

bool
report_add_session(Report *report, const char *id)
{
	if (id == NULL || id[0] == '\0' || strlen(id) > LONGEST_NAME)
		return false;
	replace_text(&report->session, id);
	return true;
}

static void
take_artifact(Report *report, json_t *message)
{
	const char *path = json_text(message, "path");
	const char *kind = json_text(message, "kind");
	json_t	   *artifact;

	if (path == NULL || path[0] == '\0' || strlen(path) > LONGEST_PATH)
		return;
	if (report->artifacts == NULL)
		report->artifacts = json_array();
	if (json_array_size(report->artifacts) >= MOST_ARTIFACTS)
		return;
	artifact = json_object();
	json_object_set_new(artifact, "path", json_string(path));
	json_object_set_new(artifact, "kind",
						kind && strlen(kind) <= LONGEST_NAME ? json_string(kind) : json_null());
	json_array_append_new(report->artifacts, artifact);
}

static void
take_retry(Report *report, json_t *message)
{
	const char *reason = json_text(message, "reason");
	double		after = json_seconds(message, "after_s", -1);

	report->retry = true;
	report->retry_after = after <= MOST_WAIT ? after : -1;
	report->retry_of_provider = json_is_true(json_object_get(message, "provider"));
	if (reason != NULL)
		replace_text(&report->retry_reason, reason);
}

static json_t *
limited_text(json_t *message, const char *key, size_t limit)
{
	const char *text = json_text(message, key);

	if (text == NULL)
		return json_null();
	return json_stringn(text, utf8_cut(text, strlen(text), limit));
}

static ResultStatus
status_of(json_t *message)
{
	const char *name = json_text(message, "status");

	for (size_t i = 0; name != NULL && i < sizeof(statuses) / sizeof(statuses[0]); i++)
		if (strcmp(name, statuses[i].name) == 0)
			return statuses[i].status;
	return RESULT_NONE;
}

static bool
take_result(Report *report, json_t *message)
{
	ResultStatus status = status_of(message);
	json_t	   *output = json_object_get(message, "output");
	json_t	   *score = json_object_get(message, "score");
	json_t	   *step = json_object_get(message, "target_step");
	const char *path = json_text(message, "output_path");
	json_t	   *result;

	if (status == RESULT_NONE)
		refuse(report, "status of the result is not done, revise, blocked or failed");
	else if (output != NULL && !json_is_null(output) && !json_is_object(output))
		refuse(report, "output of the result is not an object");
	else if (path != NULL && strlen(path) > LONGEST_PATH)
		refuse(report, "output_path of the result is too long");
	else
	{
		double		value = json_number_value(score);
		bool		good_score = json_is_number(score) && isfinite(value) && value >= 0 && value <= 100;
		bool		good_step = json_integer_value(step) > 0 && json_integer_value(step) < 10000;

		result = json_object();
		json_object_set_new(result, "summary", limited_text(message, "summary", LONGEST_SUMMARY));
		json_object_set_new(result, "output", json_is_object(output) ? json_incref(output) : json_null());
		json_object_set_new(result, "score", good_score ? json_incref(score) : json_null());
		json_object_set_new(result, "target_step", good_step ? json_incref(step) : json_null());
		json_object_set_new(result, "notes", limited_text(message, "notes", LONGEST_NOTES));
		json_object_set_new(result, "output_path", path ? json_string(path) : json_null());
		json_decref(report->result);
		report->result = result;
		report->status = status;
		return true;
	}
	return false;
}

static void
take_message(Report *report, const char *type, json_t *message)
{
	if (strcmp(type, "usage") == 0)
		take_usage(report, message);
	else if (strcmp(type, "session") == 0)
		report_add_session(report, json_text(message, "id"));
	else if (strcmp(type, "artifact") == 0)
		take_artifact(report, message);
	else if (strcmp(type, "retry") == 0)
		take_retry(report, message);
	else if (strcmp(type, "result") == 0 && !report->from_file)
		take_result(report, message);
}

void
parse_vibe_line(Report *report, const char *line, size_t length)
{
	json_t	   *message;
	const char *type;
	char	   *problem = NULL;

	while (length > 0 && (*line == ' ' || *line == '\t'))
	{
		line++;
		length--;
	}
	/* most lines are not for us: a cheap look saves the parser */
	if (length < 2 || line[0] != '{' || memmem(line, length, "\"vibe\"", 6) == NULL)
		return;
	message = json_parse(line, length, &problem);
	type = json_text(message, "vibe");
	if (type != NULL && is_own(report, message))
		take_message(report, type, message);
	else if (message == NULL && memmem(line, length, "\"result\"", 8) != NULL)
		refuse(report, problem);
	json_decref(message);
	free(problem);
}

/*
 * The file at VIBE_RESULT.  A valid result in it wins over stdout, what stdout
 * says later included.
 */
void
parse_vibe_file(Report *report, const char *text, size_t length)
{
	char	   *problem = NULL;
	json_t	   *message = json_parse(text, length, &problem);
	const char *type = json_text(message, "vibe");

	if (message == NULL)
		refuse(report, problem);
	else if (!is_own(report, message))
		refuse(report, "file at VIBE_RESULT belongs to another run");
	else if (type != NULL && strcmp(type, "result") != 0)
		refuse(report, "file at VIBE_RESULT is not a result");
	else
		report->from_file |= take_result(report, message);
	json_decref(message);
	free(problem);
}
