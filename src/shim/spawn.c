/*
 * spawn.c
 *		Starts a program in a session of its own, with nothing inherited.
 *
 * posix_spawn cannot set PDEATHSIG, limits or the OOM score, so that we do
 * ourselves what it does: until its exec the child runs in our memory, on a
 * stack of its own, while we wait.  No memory is copied, and the agent starts at
 * once.  Only async-signal-safe calls are made there, and nothing of ours is
 * written to; what needs memory is prepared before.  A pipe that exec closes
 * brings back the errno of whatever failed.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "buffer.h"
#include "spawn.h"

#define OOM_RAISE 500
#define OOM_MOST 1000
#define CHILD_STACK ((size_t) 64 * 1024)

typedef enum SpawnStage
{
	STAGE_SESSION,
	STAGE_CWD,
	STAGE_DESCRIPTORS,
	STAGE_EXEC
} SpawnStage;

typedef struct SpawnError
{
	int			stage;
	int			error;
} SpawnError;

/* The child's side of the pipes, and what it cannot compute itself. */
typedef struct SpawnChild
{
	int			fds[3];
	int			error_fd;
	pid_t		parent;
	char		oom[16];
} SpawnChild;

static void
child_fail(const SpawnChild *child, SpawnStage stage)
{
	SpawnError	failure = {stage, errno};
	ssize_t		ignored = write(child->error_fd, &failure, sizeof(failure));

	(void) ignored;
	_exit(127);
}

static void
child_limit(__rlimit_resource_t resource, rlim_t value)
{
	struct rlimit limit = {value, value};
	struct rlimit old;

	if (getrlimit(resource, &old) == 0 && old.rlim_max < value)
		limit.rlim_cur = limit.rlim_max = old.rlim_max;
	setrlimit(resource, &limit);
}

static void
child_set_limits(const SpawnChild *child, const ProcessLimits *limits)
{
	int			fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

	if (fd >= 0)
	{
		ssize_t		ignored = write(fd, child->oom, strlen(child->oom));

		(void) ignored;
		close(fd);
	}
	child_limit(RLIMIT_CORE, 0);
	if (limits->nofile > 0)
		child_limit(RLIMIT_NOFILE, limits->nofile);
	if (limits->nproc > 0)
		child_limit(RLIMIT_NPROC, limits->nproc);
	if (limits->fsize > 0)
		child_limit(RLIMIT_FSIZE, limits->fsize);
	if (limits->as > 0)
		child_limit(RLIMIT_AS, limits->as);
	if (limits->cpu > 0)
		child_limit(RLIMIT_CPU, limits->cpu);
	if (limits->nice != 0)
		setpriority(PRIO_PROCESS, 0, limits->nice);
}

/* An ignored signal stays ignored across exec, and so does a blocked one. */
static void
child_reset_signals(void)
{
	struct sigaction action = {.sa_handler = SIG_DFL};
	sigset_t	none;

	for (int number = 1; number < NSIG; number++)
		sigaction(number, &action, NULL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

static void
child_run(const SpawnRequest *request, const SpawnChild *child)
{
	if ((request->same_session ? setpgid(0, 0) : setsid()) < 0)
		child_fail(child, STAGE_SESSION);
	if (request->dies_with_us)
		prctl(PR_SET_PDEATHSIG, SIGKILL);
	/* a parent that died before the prctl sends nothing any more */
	if (getppid() != child->parent)
		_exit(127);
	if (request->no_new_privileges)
		prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	if (request->limits != NULL)
		child_set_limits(child, request->limits);
	umask(request->limits != NULL ? 027 : 077);
	if (fchdir(request->cwd_fd) < 0)
		child_fail(child, STAGE_CWD);
	for (int i = 0; i < 3; i++)
		if (dup2(child->fds[i], i) < 0)
			child_fail(child, STAGE_DESCRIPTORS);
	if (close_range(3, ~0U, CLOSE_RANGE_CLOEXEC) < 0)
		child_fail(child, STAGE_DESCRIPTORS);
	child_reset_signals();
	execve(request->argv[0], request->argv, request->envp);
	child_fail(child, STAGE_EXEC);
}

typedef struct SpawnStart
{
	const SpawnRequest *request;
	const SpawnChild *child;
}			SpawnStart;

static int
child_main(void *argument)
{
	const		SpawnStart *start = argument;

	child_run(start->request, start->child);
	return 127;
}

static void
prepare_oom(SpawnChild *child)
{
	char		now[16] = "";
	int			value = OOM_RAISE;
	int			fd = open("/proc/self/oom_score_adj", O_RDONLY | O_CLOEXEC);

	if (fd >= 0)
	{
		if (read(fd, now, sizeof(now) - 1) > 0)
			value += atoi(now);
		close(fd);
	}
	snprintf(child->oom, sizeof(child->oom), "%d", value > OOM_MOST ? OOM_MOST : value);
}

/*
 * Makes four pipes.  Descriptors 0 to 2 are open in every shim (main sees to
 * that), so none of these is overwritten by the child's dup2.
 */
static bool
prepare_pipes(SpawnChild *child, int ours[4])
{
	for (int i = 0; i < 4; i++)
	{
		int			fds[2];

		if (pipe2(fds, O_CLOEXEC) < 0)
			return false;
		ours[i] = i == 0 ? fds[1] : fds[0];
		if (i < 3)
			child->fds[i] = i == 0 ? fds[0] : fds[1];
		else
			child->error_fd = fds[1];
		fcntl(ours[i], F_SETFL, O_NONBLOCK);
	}
	return true;
}

static void
close_all(const int *fds, int count)
{
	for (int i = 0; i < count; i++)
		if (fds[i] >= 0)
			close(fds[i]);
}

bool
spawn_start(const SpawnRequest *request, Spawned *spawned, char **problem)
{
	static char stack[CHILD_STACK] __attribute__((aligned(16)));
	SpawnChild	child = {{-1, -1, -1}, -1, getpid(), ""};
	SpawnStart	start = {request, &child};
	int			ours[4] = {-1, -1, -1, -1};
	pid_t		pid = -1;

	prepare_oom(&child);
	if (prepare_pipes(&child, ours))
		pid = clone(child_main, stack + sizeof(stack), CLONE_VM | CLONE_VFORK | SIGCHLD, &start);
	if (pid < 0)
		*problem = text_format("cannot start a process: %s", strerror(errno));
	close_all(child.fds, 3);
	close_all(&child.error_fd, 1);
	if (pid < 0)
	{
		close_all(ours, 4);
		return false;
	}
	*spawned = (Spawned)
	{
		pid, ours[0], ours[1], ours[2], ours[3]
	};
	return true;
}

/* Reads the error pipe: end-of-file means that exec succeeded. */
SpawnStatus
spawn_check(int error_fd, const char *program, char **problem)
{
	static const char *const stages[] = {
		"make a session for", "enter the workspace for", "arrange the descriptors of", "execute"
	};
	SpawnError	failure;
	ssize_t		got = read(error_fd, &failure, sizeof(failure));

	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return SPAWN_PENDING;
	if (got != sizeof(failure))
		return SPAWN_RUNNING;
	*problem = text_format("cannot %s \"%s\": %s", stages[failure.stage & 3], program,
						   strerror(failure.error));
	return SPAWN_FAILED;
}

/*
 * A service manager may protect the server from the OOM killer, and all that it
 * starts with it.  We do not share that; where memory is short the server goes
 * last.  Lowering a positive value is not ours to do and would be refused.
 */
void
spawn_leave_protection(void)
{
	char		now[16] = "";
	int			fd = open("/proc/self/oom_score_adj", O_RDWR | O_CLOEXEC);

	if (fd < 0)
		return;
	if (read(fd, now, sizeof(now) - 1) > 0 && atoi(now) < 0)
	{
		ssize_t		ignored = pwrite(fd, "0", 1, 0);

		(void) ignored;
	}
	close(fd);
}

/* The program that runs here, for starting it again elsewhere. */
char *
spawn_own_path(void)
{
	char		path[4096];
	ssize_t		length = readlink("/proc/self/exe", path, sizeof(path) - 1);

	path[length > 0 ? length : 0] = '\0';
	return text_copy(path);
}
