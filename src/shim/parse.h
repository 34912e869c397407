#ifndef SHIM_PARSE_H
#define SHIM_PARSE_H

#include <stdbool.h>
#include <stddef.h>

#include <jansson.h>

#define USAGE_COUNTERS 4

typedef enum ResultStatus
{
	RESULT_NONE,
	RESULT_DONE,
	RESULT_REVISE,
	RESULT_BLOCKED,
	RESULT_FAILED
} ResultStatus;

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
	char	   *retry_reason;
} Report;

extern const char *const usage_counter_names[USAGE_COUNTERS];

extern void parse_vibe_line(Report *report, const char *line, size_t length);
extern void parse_vibe_file(Report *report, const char *text, size_t length);
extern void parse_plain(Report *report, const char *text, size_t length);
extern bool report_add_session(Report *report, const char *id);

#endif
