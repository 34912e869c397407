/*
 * supervise.h
 *		Watching runs from their start to their end.
 */
#ifndef VIBE_SUPERVISE_H
#define VIBE_SUPERVISE_H

extern int	vibe_supervise_reap(void);
extern bool vibe_supervise_adopt(void);
extern bool vibe_supervise_discard(void);
extern void vibe_supervise_end_closed(void);
extern int64 vibe_supervise_keep_time(void);

#endif							/* VIBE_SUPERVISE_H */
