/*
 * wake.h
 *		Telling the dispatcher that something became ready.
 */
#ifndef VIBE_WAKE_H
#define VIBE_WAKE_H

#define VIBE_CHANNEL "vibe_dispatch"

extern void vibe_wake_init(void);
extern void vibe_wake_divert_to(uint32 *bits);

#endif							/* VIBE_WAKE_H */
