/*
 * clock.h
 *		What time it is: by the calendar, and since when.
 */
#ifndef VIBE_CLOCK_H
#define VIBE_CLOCK_H

#include "datatype/timestamp.h"

/* a deadline that never comes */
#define VIBE_NEVER PG_INT64_MAX

extern TimestampTz vibe_clock_now(void);
extern int64 vibe_monotonic_ms(void);

#endif							/* VIBE_CLOCK_H */
