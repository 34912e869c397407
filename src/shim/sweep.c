/*
 * sweep.c
 *		Ends what is left of a run whose shim died, on both sides of a prefix.
 *
 * The processes of another user show their environment to that user only, and
 * only he may end them.  So where the launch record names a prefix, the same
 * sweep is started behind it.  An agent shares its user with the inner shim and
 * can stop or kill it: then this is also how the outer one ends the run.  When it
 * returns, nobody works in the run's workspace any more, and the next
 * attempt may begin.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "environment.h"
#include "loop.h"
#include "spawn.h"
#include "sweep.h"
#include "tree.h"

#define PREFIX_PATIENCE 20000000	/* microseconds */

/* Waits for a child, but not for ever; SIGCHLD is blocked and so never missed. */
static void
wait_with_patience(pid_t pid)
{
	int64_t		deadline = loop_now() + PREFIX_PATIENCE;
	struct timespec second = {1, 0};
	sigset_t	child;

	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	while (waitpid(pid, NULL, WNOHANG) == 0)
	{
		if (loop_now() > deadline)
		{
			kill(-pid, SIGKILL);
			return;
		}
		sigtimedwait(&child, NULL, &second);
	}
}

/* Our ends of what was started behind a prefix: it has nothing to say. */
static void
close_pipes(const Spawned *process)
{
	close(process->stdin_fd);
	close(process->stdout_fd);
	close(process->stderr_fd);
	close(process->error_fd);
}

void
sweep_behind_prefix(const Launch *launch, const char *run_dir)
{
	SpawnRequest request = {0};
	Spawned		process;
	size_t		words = json_array_size(launch->prefix);
	char	   *problem = NULL;

	request.argv = words_from_json(launch->prefix, 3);
	request.argv[words] = spawn_own_path();
	request.argv[words + 1] = text_copy("sweep-here");
	request.argv[words + 2] = text_copy(run_dir);
	request.envp = environment_for_prefix(launch, NULL);
	request.cwd_fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (spawn_start(&request, &process, &problem))
	{
		wait_with_patience(process.pid);
		close_pipes(&process);
	}
	close(request.cwd_fd);
	free(problem);
}

void
sweep_main(const char *run_dir)
{
	int			dir_fd = open(run_dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	char	   *problem = NULL;
	json_t	   *document = dir_fd >= 0 ? launch_read(dir_fd, &problem) : NULL;
	Launch		launch = {0};

	tree_sweep(run_dir);
	if (document != NULL && launch_check(&launch, document, &problem) && launch.prefix != NULL)
		sweep_behind_prefix(&launch, run_dir);
}
