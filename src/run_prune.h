/*
 * run_prune.h
 *		Removing files that nobody needs any more.
 */
#ifndef VIBE_RUN_PRUNE_H
#define VIBE_RUN_PRUNE_H

extern bool vibe_prune(void);
extern bool vibe_prune_unneeded(void);

#endif							/* VIBE_RUN_PRUNE_H */
