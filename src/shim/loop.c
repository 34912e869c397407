/*
 * loop.c
 *		One epoll loop: descriptors that became ready, and deadlines.
 *
 * Events are taken one at a time.  A callback may forget another source; with
 * a batch its stale event would still be delivered.  The kernel rotates its
 * ready list, so no source starves another.
 *
 * There are at most half a dozen deadlines, so they are a plain list and the
 * nearest one is epoll's timeout: a timer descriptor would only add reads.
 * The clock is the monotonic one, so a step of the wall clock ends no agent.
 */
#include <errno.h>
#include <stddef.h>
#include <time.h>

#include "loop.h"

int64_t
loop_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t) now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

bool
loop_open(Loop *loop)
{
	loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	return loop->epoll_fd >= 0;
}

void
loop_watch(Loop *loop, LoopSource *source, int fd, uint32_t events,
		   LoopCallback callback, void *context)
{
	struct epoll_event event = {.events = events, .data.ptr = source};

	source->fd = fd;
	source->callback = callback;
	source->context = context;
	if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0)
		source->fd = -1;
}

void
loop_change(Loop *loop, LoopSource *source, uint32_t events)
{
	struct epoll_event event = {.events = events, .data.ptr = source};

	if (source->fd >= 0)
		epoll_ctl(loop->epoll_fd, EPOLL_CTL_MOD, source->fd, &event);
}

/* Stops watching; the descriptor stays open. */
void
loop_forget(Loop *loop, LoopSource *source)
{
	if (source->fd >= 0)
		epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, source->fd, NULL);
	source->fd = -1;
}

void
loop_arm(Loop *loop, LoopTimer *timer, double seconds,
		 LoopCallback callback, void *context)
{
	timer->armed = true;
	timer->deadline = loop_now() + (int64_t) (seconds * 1e6);
	timer->callback = callback;
	timer->context = context;
	if (timer->listed)
		return;
	timer->listed = true;
	timer->next = loop->timers;
	loop->timers = timer;
}

void
loop_disarm(LoopTimer *timer)
{
	timer->armed = false;
}

/* Calls what is due and returns the milliseconds to the next deadline, -1 for none. */
static int
loop_fire(Loop *loop)
{
	int64_t		now = loop_now();
	int64_t		nearest = -1;

	for (LoopTimer *timer = loop->timers; timer != NULL; timer = timer->next)
	{
		if (!timer->armed || timer->deadline > now)
			continue;
		timer->armed = false;
		timer->callback(timer->context);
	}
	/* only now: a callback may have armed a timer that the walk had passed */
	for (LoopTimer *timer = loop->timers; timer != NULL; timer = timer->next)
		if (timer->armed && (nearest < 0 || timer->deadline < nearest))
			nearest = timer->deadline;
	if (nearest < 0)
		return -1;
	now = loop_now();
	return nearest <= now ? 0 : (int) ((nearest - now + 999) / 1000);
}

void
loop_run(Loop *loop)
{
	while (!loop->stopped)
	{
		struct epoll_event event;
		LoopSource *source;
		int			timeout = loop_fire(loop);

		if (loop->stopped)
			break;
		if (epoll_wait(loop->epoll_fd, &event, 1, timeout) != 1)
			continue;
		source = event.data.ptr;
		source->callback(source->context);
	}
}
