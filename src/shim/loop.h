#ifndef SHIM_LOOP_H
#define SHIM_LOOP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>

typedef void (*LoopCallback) (void *context);

typedef struct LoopSource
{
	int			fd;				/* -1 while not watched */
	LoopCallback callback;
	void	   *context;
} LoopSource;

typedef struct LoopTimer
{
	bool		armed;
	bool		listed;
	int64_t		deadline;		/* microseconds, monotonic */
	LoopCallback callback;
	void	   *context;
	struct LoopTimer *next;
} LoopTimer;

typedef struct Loop
{
	int			epoll_fd;
	bool		stopped;
	LoopTimer  *timers;
} Loop;

extern int64_t loop_now(void);
extern bool loop_open(Loop *loop);
extern void loop_watch(Loop *loop, LoopSource *source, int fd, uint32_t events,
					   LoopCallback callback, void *context);
extern void loop_change(Loop *loop, LoopSource *source, uint32_t events);
extern void loop_forget(Loop *loop, LoopSource *source);
extern void loop_arm(Loop *loop, LoopTimer *timer, double seconds,
					 LoopCallback callback, void *context);
extern void loop_disarm(LoopTimer *timer);
extern void loop_run(Loop *loop);

#endif
