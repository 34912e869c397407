/*
 * outcome.c
 *		What a run's end means: one class of the contract, and a sentence.
 *
 * In this order: it never ran; somebody wanted it to end; it was ended for its
 * time or its budget; a signal; its exit code; for exit 0 its result, unless the
 * kind is plain.  An agent that had told its result before it was ended for its
 * time or its budget has done its work.
 *
 * A command-line agent tells its result by the verdict of its own output, or by a
 * file at VIBE_RESULT, which wins.  Its exit codes mean nothing to us but
 * failure; why, the verdict knows.
 */
#include <stdlib.h>
#include <string.h>

#include "buffer.h"
#include "outcome.h"

typedef struct CodeMeaning
{
	int			code;
	const char *outcome;
	const char *text;
	bool		permanent;
} CodeMeaning;

static const CodeMeaning meanings[] = {
	{64, "failed", "permanent: wrong usage", true},
	{65, "failed", "permanent: wrong input data", true},
	{66, "failed", "permanent: input missing", true},
	{69, "failed", "service unavailable", false},
	{70, "failed", "internal error of the agent", false},
	{75, "rate_limited", "asked to be tried again later", false},
	{77, "auth", "not authorized", false},
	{78, "failed", "permanent: wrong configuration", true},
	{100, "blocked", "needs a person", false},
	{101, "budget", "budget used up", false},
	{102, "revise", NULL, false},
};

static const char *const cause_names[] = {
	[CAUSE_CANCELLED] = "cancelled",
	[CAUSE_LOST] = "lost",
	[CAUSE_START] = "timeout_start",
	[CAUSE_IDLE] = "timeout_idle",
	[CAUSE_TOTAL] = "timeout_total",
	[CAUSE_BUDGET] = "budget",
};

static const char *const cause_texts[] = {
	[CAUSE_CANCELLED] = "ended on request",
	[CAUSE_LOST] = "the server was gone for longer than orphan_grace",
	[CAUSE_START] = "no output within the start limit",
	[CAUSE_IDLE] = "no output within the idle limit",
	[CAUSE_TOTAL] = "ran longer than its time limit",
	[CAUSE_BUDGET] = "spent more than its run's budget",
};

static Outcome
outcome_of(const char *name, const char *error)
{
	return (Outcome)
	{
		.name = name, .error = error ? text_copy(error) : NULL
	};
}

static Outcome
outcome_of_result(const Report *report)
{
	const char *summary = json_string_value(json_object_get(report->result, "summary"));
	const char *notes = json_string_value(json_object_get(report->result, "notes"));

	switch (report->status)
	{
		case RESULT_DONE:
			return outcome_of("done", NULL);
		case RESULT_REVISE:
			return outcome_of("revise", NULL);
		case RESULT_BLOCKED:
			return outcome_of("blocked", notes ? notes : summary);
		case RESULT_FAILED:
			return outcome_of("failed", summary ? summary : notes ? notes : "the agent reported a failure");
		default:
			break;
	}
	return outcome_of("bad_result", "exit code 0 without a result");
}

static Outcome
outcome_of_missing_result(const AgentEnd *end, const Report *report)
{
	Outcome		outcome = {.name = "bad_result"};

	if (report->retry)
		return outcome_of("rate_limited",
						  report->retry_reason ? report->retry_reason : "asked to be tried again later");
	if (end->result_problem != NULL)
		outcome.error = text_format("exit code 0 without a result: file at VIBE_RESULT %s",
									end->result_problem);
	else if (report->refused != NULL)
		outcome.error = text_format("exit code 0 without a valid result: %s", report->refused);
	else
		outcome.error = text_copy("exit code 0 without a result");
	return outcome;
}

static Outcome
outcome_of_code(const AgentEnd *end, const Report *report)
{
	Outcome		outcome = {.name = "failed"};
	const char *notes = json_string_value(json_object_get(report->result, "notes"));

	for (size_t i = 0; i < sizeof(meanings) / sizeof(meanings[0]); i++)
	{
		const CodeMeaning *meaning = &meanings[i];
		const char *text = meaning->text;

		if (meaning->code != end->exit_code)
			continue;
		outcome.name = meaning->outcome;
		outcome.permanent = meaning->permanent;
		if (report->retry && report->retry_reason != NULL && meaning->code == 75)
			text = report->retry_reason;
		if (notes != NULL && meaning->code == 100)
			text = notes;
		if (text != NULL)
			outcome.error = text_format("exit code %d: %s", end->exit_code, text);
		return outcome;
	}
	if (report->status == RESULT_FAILED)
		return outcome_of_result(report);
	outcome.error = text_format("exit code %d", end->exit_code);
	return outcome;
}

static Outcome
outcome_of_verdict(const Report *report)
{
	static const char *const names[] = {
		[VERDICT_DONE] = "done",
		[VERDICT_FAILED] = "failed",
		[VERDICT_RATE_LIMITED] = "rate_limited",
		[VERDICT_AUTH] = "auth",
		[VERDICT_BUDGET] = "budget",
	};
	const Cli  *cli = &report->cli;
	Outcome		outcome = outcome_of(names[cli->verdict], cli->complaint);

	outcome.permanent = cli->permanent;
	outcome.explained = cli->complaint != NULL;
	return outcome;
}

/* A command-line agent that exited by itself. */
static Outcome
outcome_of_cli(const AgentEnd *end, const Report *report)
{
	Verdict		verdict = report->cli.verdict;
	Outcome		outcome = {.name = "failed"};

	if (end->exit_code == 0 && report->from_file)
		return outcome_of_result(report);
	if (end->exit_code == 0 && verdict == VERDICT_NONE)
		return outcome_of_missing_result(end, report);
	if (end->exit_code == 0)
		return outcome_of_verdict(report);
	if (verdict != VERDICT_NONE && verdict != VERDICT_DONE)
		outcome = outcome_of_verdict(report);
	if (outcome.error == NULL)
		outcome.error = text_format("exit code %d%s", end->exit_code,
									verdict == VERDICT_DONE ? " after its result" : "");
	return outcome;
}

/* What was told before the end was ours: a failure is not undone by a file, as with an exit code. */
static Outcome
outcome_of_told(const Report *report)
{
	Verdict		verdict = report->cli.verdict;

	if (verdict == VERDICT_NONE || (verdict == VERDICT_DONE && report->status != RESULT_NONE))
		return outcome_of_result(report);
	return outcome_of_verdict(report);
}

Outcome
outcome_decide(Cause cause, const AgentEnd *end, const Report *report, const Kind *kind)
{
	bool		has_result = !kind->plain &&
	(report->status != RESULT_NONE || report->cli.verdict != VERDICT_NONE);
	Outcome		outcome = {.name = "killed"};

	if (end->problem != NULL && cause != CAUSE_CANCELLED && cause != CAUSE_LOST)
		return outcome_of("exec_error", end->problem);
	if (cause == CAUSE_CANCELLED || cause == CAUSE_LOST)
		return outcome_of(cause_names[cause], cause_texts[cause]);
	if (cause != CAUSE_NONE && has_result)
		return outcome_of_told(report);
	if (cause != CAUSE_NONE && cause != CAUSE_LINGER)
		return outcome_of(cause_names[cause], cause_texts[cause]);
	if (end->exit_signal != 0)
	{
		outcome.error = text_format("killed by signal %d (%s)", end->exit_signal,
									strsignal(end->exit_signal));
		return outcome;
	}
	if (kind->exited != NULL)
		return outcome_of_cli(end, report);
	if (end->exit_code != 0)
		return outcome_of_code(end, report);
	if (kind->plain)
		return outcome_of("done", NULL);
	return has_result ? outcome_of_result(report) : outcome_of_missing_result(end, report);
}

/* Only work that goes on to a next step has a file to publish. */
bool
outcome_has_output(const Outcome *outcome)
{
	return strcmp(outcome->name, "done") == 0 || strcmp(outcome->name, "revise") == 0;
}
