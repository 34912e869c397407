#ifndef SHIM_CLI_H
#define SHIM_CLI_H

#include "parse.h"

extern json_t *cli_message(const char *line, size_t length);
extern json_t *cli_document(const char *text, size_t length);
extern char *cli_string(json_t *value);

extern void cli_set_text(Report *report, json_t *value);
extern void cli_add_text(Report *report, json_t *value);
extern void cli_tool_ran(Report *report);

extern void cli_decide(Report *report, Verdict verdict, const char *complaint);
extern void cli_fail(Report *report, json_int_t status, const char *complaint);
extern void cli_trouble(Report *report, Verdict trouble, const char *text);
extern void cli_goes_on(Report *report);
extern void cli_exited(Report *report, int exit_code);

extern Verdict cli_verdict_of_status(json_int_t status);
extern json_int_t cli_status_in(const char *text, const char *before);
extern void cli_retry_after(Report *report, double seconds);
extern void cli_resets_at(Report *report, double epoch);

extern json_int_t cli_count(json_t *object, const char *key);
extern void cli_add_usage(Report *report, const json_int_t *counters);
extern void cli_set_usage(Report *report, const json_int_t *counters);
extern void cli_add_cost(Report *report, json_t *cost);

extern void cli_take_result(Report *report);

#endif
