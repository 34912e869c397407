#ifndef SHIM_PARSE_H
#define SHIM_PARSE_H

#include <stdbool.h>
#include <stddef.h>

#include <jansson.h>

#include "buffer.h"

typedef enum UsageCounter
{
	INPUT_TOKENS,				/* without cached ones */
	OUTPUT_TOKENS,
	CACHE_READ_TOKENS,
	CACHE_WRITE_TOKENS,
	USAGE_COUNTERS
} UsageCounter;

#define MOST_TOKENS ((json_int_t) 1000000000000)
#define MOST_COST 1e6
#define MOST_WAIT (366 * 86400.0)

typedef enum ResultStatus
{
	RESULT_NONE,
	RESULT_DONE,
	RESULT_REVISE,
	RESULT_BLOCKED,
	RESULT_FAILED
} ResultStatus;

/* What a command-line agent's own output says about the end of its work. */
typedef enum Verdict
{
	VERDICT_NONE,				/* it is still at work, as far as one can tell */
	VERDICT_DONE,
	VERDICT_FAILED,
	VERDICT_RATE_LIMITED,
	VERDICT_AUTH,
	VERDICT_BUDGET
} Verdict;

/* The state of those parsers, see cli.c. */
typedef struct Cli
{
	Verdict		verdict;
	bool		permanent;		/* trying again cannot help */
	char	   *complaint;		/* what it said went wrong, or NULL */
	Verdict		trouble;		/* of a request that it tries again itself */
	char	   *trouble_text;
	bool		waiting;		/* its latest words are no progress */
	Buffer		text;			/* its latest text, without NUL */
	bool		text_over;		/* a tool came after that text */
	double		resets_at;		/* when the provider's limit is over, seconds since the epoch, or 0 */
	json_t	   *seen;			/* claude: ids of messages whose usage was counted */
	json_int_t	before[USAGE_COUNTERS]; /* codex: what the thread had used before this run */
	Buffer		document;		/* gemini: a JSON object of many lines */
	bool		in_document;
} Cli;

/* What the agent has said so far. */
typedef struct Report
{
	const char *run_id;
	ResultStatus status;
	json_t	   *result;			/* as the exit record has it; NULL with RESULT_NONE */
	bool		from_file;		/* result came from the file at VIBE_RESULT */
	char	   *refused;		/* why the latest wrong result was refused */
	json_t	   *artifacts;		/* array, or NULL */
	char	   *session;
	bool		has_usage;
	json_int_t	counters[USAGE_COUNTERS];
	double		cost;			/* negative: not told */
	char	   *model;
	bool		retry;
	double		retry_after;	/* negative: not told */
	bool		retry_of_provider;	/* whoever uses the provider is to wait, not this run alone */
	char	   *retry_reason;
	Cli			cli;
} Report;

extern const char *const usage_counter_names[USAGE_COUNTERS];

extern void parse_vibe_line(Report *report, const char *line, size_t length);
extern void parse_vibe_file(Report *report, const char *text, size_t length);
extern void parse_plain(Report *report, const char *text, size_t length);
extern bool report_add_session(Report *report, const char *id);
extern void report_set_model(Report *report, const char *model);

extern void parse_claude_line(Report *report, const char *line, size_t length);
extern void parse_codex_line(Report *report, const char *line, size_t length);
extern void codex_exited(Report *report, int exit_code);
extern void parse_gemini_line(Report *report, const char *line, size_t length);
extern void gemini_exited(Report *report, int exit_code);
extern void parse_opencode_line(Report *report, const char *line, size_t length);

#endif
