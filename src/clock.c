/*-------------------------------------------------------------------------
 *
 * clock.c
 *		The clock of the SQL functions, and the one the dispatcher waits by.
 *
 * Business rules use vibe.clock(), which a test can stop.  Everything that
 * measures how long a process has been given uses the monotonic clock, so
 * neither a clock step nor a stopped vibe.clock() ends an agent.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <time.h>

#include "clock.h"
#include "fmgr.h"
#include "guc.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(vibe_clock);

TimestampTz
vibe_clock_now(void)
{
	return vibe_fake_now_set ? vibe_fake_now : GetCurrentTimestamp();
}

/* vibe.clock() */
Datum
vibe_clock(PG_FUNCTION_ARGS)
{
	PG_RETURN_TIMESTAMPTZ(vibe_clock_now());
}

/* Milliseconds on a clock that nobody sets; it rests while the machine does. */
int64
vibe_monotonic_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64) now.tv_sec * 1000 + now.tv_nsec / 1000000;
}
