/*
 * runner.h
 *		A runner at work.
 */
#ifndef VIBE_RUNNER_H
#define VIBE_RUNNER_H

#include "lib/stringinfo.h"
#include "runner_file.h"

/* what may stand for a value in args; NULL at the end */
extern const char *const vibe_placeholders[];

extern bool vibe_runner_fill_argv(VibeRunner *runner, const char *run, size_t length,
								  List **argv, char **problem);
extern bool vibe_runner_has_word(VibeRunner *runner, const char *word);
extern bool vibe_is_model(const char *text);
extern const char *vibe_runner_user(VibeRunner *runner);
extern char *vibe_runner_problems(VibeRunner *runner);
extern void vibe_runner_to_json(StringInfo out, VibeRunner *runner, List *argv);

#endif							/* VIBE_RUNNER_H */
