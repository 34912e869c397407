/*
 * home.h
 *		What the dispatcher may do in its database.
 */
#ifndef VIBE_HOME_H
#define VIBE_HOME_H

#include "runner_file.h"
#include "shmem.h"

extern void vibe_home_init(const char *database);
extern void vibe_home_read_runners(void);
extern bool vibe_home_look(bool *may_claim);
extern bool vibe_home_may_start(void);
extern VibeRunnerSet *vibe_home_runners(void);
extern int64 vibe_home_look_again_at(void);
extern void vibe_home_report(VibeSlot *slot);

#endif							/* VIBE_HOME_H */
