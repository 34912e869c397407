/*
 * finish.h
 *		Recording how runs ended, and putting their files away.
 */
#ifndef VIBE_FINISH_H
#define VIBE_FINISH_H

extern void vibe_finish_ended(void);
extern void vibe_finish_settle(void);
extern int64 vibe_finish_deadline(bool database_usable);

#endif							/* VIBE_FINISH_H */
