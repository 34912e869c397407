#ifndef SHIM_SIGNALS_H
#define SHIM_SIGNALS_H

#include <sys/types.h>

#include "loop.h"

typedef struct Signals
{
	LoopSource	source;
	void		(*on_end) (void *context);
	void		(*on_child) (void *context, pid_t pid, int status);
	void	   *context;
} Signals;

extern void signals_block(void);
extern bool signals_open(Signals *signals, Loop *loop);

#endif
