#ifndef SHIM_TREE_H
#define SHIM_TREE_H

#include <stdbool.h>
#include <sys/types.h>

/* What ending a tree found; agent_status is valid once agent_reaped. */
typedef struct TreeEnd
{
	pid_t		agent;
	bool		agent_reaped;
	int			agent_status;
	long		leftover;		/* processes besides the agent */
	bool		unkillable;		/* another user's process was left behind */
} TreeEnd;

extern void tree_end(TreeEnd *end);
extern bool tree_is_empty(void);
extern void tree_sweep(const char *run_dir);

#endif
