#ifndef SHIM_SPAWN_H
#define SHIM_SPAWN_H

#include <sys/types.h>

#include "launch.h"

typedef struct SpawnRequest
{
	char	  **argv;
	char	  **envp;
	int			cwd_fd;
	const ProcessLimits *limits;	/* NULL for a prefix */
	bool		dies_with_us;
	bool		same_session;	/* only a process group of its own */
	bool		no_new_privileges;	/* set-user-ID programs give none */
} SpawnRequest;

/* Our ends, all non-blocking. */
typedef struct Spawned
{
	pid_t		pid;
	int			stdin_fd;
	int			stdout_fd;
	int			stderr_fd;
	int			error_fd;
} Spawned;

typedef enum SpawnStatus
{
	SPAWN_PENDING,
	SPAWN_RUNNING,
	SPAWN_FAILED
} SpawnStatus;

extern bool spawn_start(const SpawnRequest *request, Spawned *spawned, char **problem);
extern void spawn_leave_protection(void);
extern char *spawn_own_path(void);
extern SpawnStatus spawn_check(int error_fd, const char *program, char **problem);

#endif
