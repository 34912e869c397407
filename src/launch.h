/*
 * launch.h
 *		From a ready step to a running shim.
 */
#ifndef VIBE_LAUNCH_H
#define VIBE_LAUNCH_H

#include "runner_file.h"

extern char *vibe_launch_record(VibeRunner *runner, const char *run, char **workspace, char **problem);
extern bool vibe_launch_claim(VibeRunnerSet *runners);
extern void vibe_launch_start(VibeRunnerSet *runners);
extern void vibe_launch_mark(void);

#endif							/* VIBE_LAUNCH_H */
