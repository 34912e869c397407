#ifndef SHIM_REMOTE_H
#define SHIM_REMOTE_H

#include "frame.h"
#include "inner.h"

/* The outer end of the frames to an inner shim. */
typedef struct Remote
{
	Loop	   *loop;
	const AgentSink *sink;
	const Launch *launch;
	const char *run_dir;
	json_t	   *outside;
	Spawned		process;
	bool		spawned;
	bool		reaped;
	int			status;
	bool		hello;
	bool		foreign;		/* the inner shim has another user */
	bool		told_end;		/* sink heard ended() */
	bool		fetching;
	bool		closing;
	char	   *problem;
	LoopSource	input;
	LoopSource	output;
	LoopSource	errors;
	LoopSource	error;
	Buffer		input_left;
	FrameReader reader;
	LoopTimer	deadline;		/* for the hello, later for the end */
} Remote;

extern void remote_start(Remote *remote, Loop *loop, const AgentSink *sink,
						 const Launch *launch, const char *run_dir, json_t *outside);
extern void remote_child_ended(Remote *remote, pid_t pid, int status);
extern void remote_end_tree(void *remote);
extern void remote_store(void *remote, const char *path, const char *bytes, size_t length);
extern void remote_fetch(void *remote, const char *path);
extern void remote_close(void *remote);

#endif
