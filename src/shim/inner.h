#ifndef SHIM_INNER_H
#define SHIM_INNER_H

#include "loop.h"
#include "spawn.h"
#include "workspace.h"

/* How an agent ended.  problem is set when it never ran. */
typedef struct AgentEnd
{
	const char *problem;
	int			exit_code;		/* -1 when a signal ended it */
	int			exit_signal;	/* 0 when it exited */
	long		leftover;
	bool		unkillable;
	const char *result_problem; /* why the file at VIBE_RESULT was not read */
} AgentEnd;

/* Who hears what happens to the agent: the run itself, or the frames to an outer shim. */
typedef struct AgentSink
{
	void		(*started) (void *context, const char *workspace);
	void		(*output) (void *context, bool is_stderr, const char *bytes, size_t length);
	void		(*result) (void *context, const char *bytes, size_t length);
	void		(*ended) (void *context, const AgentEnd *end);
	void		(*file) (void *context, const char *problem, const char *bytes, size_t length);
	void		(*closed) (void *context);
	void	   *context;
} AgentSink;

/* What the run may ask for, wherever the agent is. */
typedef struct AgentControl
{
	void		(*end_tree) (void *context);
	void		(*store) (void *context, const char *path, const char *bytes, size_t length);
	void		(*fetch) (void *context, const char *path);
	void		(*close) (void *context);	/* answered by sink's closed */
	void	   *context;
} AgentControl;

typedef enum AgentState
{
	AGENT_NONE,
	AGENT_STARTING,				/* forked, exec not confirmed */
	AGENT_RUNNING,
	AGENT_STOPPING,				/* SIGTERM sent, grace running */
	AGENT_ENDED
} AgentState;

typedef struct Agent
{
	Loop	   *loop;
	const AgentSink *sink;
	const Launch *launch;
	AgentState	state;
	Place		place;
	char	  **argv;
	char	  **envp;
	Spawned		process;
	LoopSource	input;
	LoopSource	output[2];		/* stdout, stderr */
	LoopSource	error;
	LoopSource	result;			/* tells of files that appear beside VIBE_RESULT */
	Buffer		input_left;
	LoopTimer	grace;
	char	   *problem;
} Agent;

extern void agent_start(Agent *agent, Loop *loop, const AgentSink *sink,
						const Launch *launch, const char *run_dir,
						json_t *outside, bool other_user);
extern void agent_child_ended(Agent *agent, pid_t pid, int status);
extern void agent_end_tree(void *agent);
extern void agent_store(void *agent, const char *path, const char *bytes, size_t length);
extern void agent_fetch(void *agent, const char *path);
extern void agent_pause_output(Agent *agent, bool pause);
extern void agent_close(void *agent);

#endif
