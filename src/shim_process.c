/*-------------------------------------------------------------------------
 *
 * shim_process.c
 *		Starts, adopts, signals and reaps shims.
 *
 * The server starts one program only, the shim, and only with posix_spawn():
 * nothing of ours runs between fork and exec.  The shim gets a session of its
 * own (the server signals process groups), default signal dispositions, an
 * empty mask, three descriptors and an environment made of named variables.
 *
 * A process is watched by a pidfd in an epoll set of our own, whose single
 * descriptor the dispatcher waits on.  A pidfd names a process and not a
 * number, which is what makes it safe to signal an adopted one.  Where the
 * kernel gives none (too old, or out of descriptors), the process is looked
 * for by number and start time each time somebody asks.
 *
 * While agents work, one more shim is kept that is loaded and waits: a run that
 * is handed to it starts a millisecond earlier.  Nothing depends on it; where it
 * is not there, or not able, a shim is spawned.
 *
 * Nothing here uses the database, locks or shared memory.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "guc.h"
#include "miscadmin.h"
#include "shim_process.h"

#define ID_LENGTH 64
#define START_TIME_FIELD 22
#define MAX_LEAVING 64
#define LEAVING_KEY 0			/* no run has this number */

extern char **environ;

static int	epoll_fd = -1;
static VibeProcess spare = {.pidfd = -1};
static int	spare_fd = -1;		/* what it reads its run from; -1: it has none to wait for */
static char offered[MAXPGPATH] = "";	/* the run that it gets ready for; empty: none */
static pid_t leaving[MAX_LEAVING];	/* children that said their last word and are not reaped */
static int	leaving_fds[MAX_LEAVING];	/* their pidfds, or -1 */
static int	leaving_count = 0;
static char boot_id[ID_LENGTH] = "";
static char pid_ns[ID_LENGTH] = "";

static int	open_pidfd(pid_t pid);
static bool read_start(pid_t pid, int64 *start);
static void watch(VibeProcess *process, int64 key);
static char **make_environment(List *names);
static bool same_namespace(const char *other);
static int	spawn_with(char **argv, const char *directory, const char *log, char **env,
					   int input, pid_t *pid);
static void withdraw_spare(void);
static bool let_go(const char *directory, VibeProcess *process);
static void reap_leaving(void);

/* Once per dispatcher. */
void
vibe_shim_init(void)
{
	FILE	   *file = fopen("/proc/sys/kernel/random/boot_id", "r");
	ssize_t		length;

	if (file != NULL)
	{
		if (fgets(boot_id, sizeof(boot_id), file) == NULL)
			boot_id[0] = '\0';
		boot_id[strcspn(boot_id, "\n")] = '\0';
		fclose(file);
	}
	length = readlink("/proc/self/ns/pid", pid_ns, sizeof(pid_ns) - 1);
	pid_ns[Max(length, 0)] = '\0';

	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (epoll_fd < 0)
		ereport(FATAL,
				(errcode_for_file_access(),
				 errmsg("could not create an epoll descriptor: %m")));
}

int
vibe_shim_epoll_fd(void)
{
	return epoll_fd;
}

const char *
vibe_shim_boot_id(void)
{
	return boot_id;
}

const char *
vibe_shim_pid_ns(void)
{
	return pid_ns;
}

static int
open_pidfd(pid_t pid)
{
#ifdef SYS_pidfd_open
	return (int) syscall(SYS_pidfd_open, pid, 0);
#else
	errno = ENOSYS;
	return -1;
#endif
}

/*
 * When a process started.  The second field is the program's name in
 * parentheses and may hold anything, so fields are counted from the last ")".
 */
static bool
read_start(pid_t pid, int64 *start)
{
	char		path[64];
	char		text[2048];
	char	   *at;
	ssize_t		length;
	int			fd;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int) pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	length = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (length <= 0)
		return false;
	text[length] = '\0';
	at = strrchr(text, ')');
	for (int field = 2; at != NULL && field < START_TIME_FIELD; field++)
	{
		at = strchr(at, ' ');
		if (at != NULL)
			at++;
	}
	if (at == NULL)
		return false;
	*start = strtoll(at, NULL, 10);
	return true;
}

/*
 * Put a process with a pidfd into the set; without one it is asked for.  The
 * pipe of its last word is never written to, so only a hang-up is told of it.
 */
static void
watch(VibeProcess *process, int64 key)
{
	struct epoll_event event = {.events = EPOLLIN,.data.u64 = (uint64) key};
	struct epoll_event hang_up = {.events = 0,.data.u64 = (uint64) key};

	if (process->word_fd > 0 && epoll_ctl(epoll_fd, EPOLL_CTL_ADD, process->word_fd, &hang_up) != 0)
	{
		close(process->word_fd);
		process->word_fd = 0;
	}
	if (process->pidfd < 0)
		return;
	if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, process->pidfd, &event) == 0)
		return;
	close(process->pidfd);
	process->pidfd = -1;
}

/* NAME=value for those of the names that the server's environment has. */
static char **
make_environment(List *names)
{
	char	  **result = palloc((list_length(names) + 1) * sizeof(char *));
	int			count = 0;
	ListCell   *cell;

	foreach(cell, names)
	{
		const char *value = getenv(lfirst(cell));

		if (value != NULL)
			result[count++] = psprintf("%s=%s", (char *) lfirst(cell), value);
	}
	result[count] = NULL;
	return result;
}

/*
 * The call itself; 0 or an errno, as posix_spawn() has it.  All shims share one
 * log, beside runs/: one that works has nothing to say.
 */
static int
spawn_with(char **argv, const char *directory, const char *log, char **env, int input, pid_t *pid)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	sigset_t	all;
	sigset_t	none;
	int			rc;

	sigfillset(&all);
	sigemptyset(&none);
	if ((rc = posix_spawn_file_actions_init(&actions)) != 0)
		return rc;
	if ((rc = posix_spawnattr_init(&attributes)) != 0)
	{
		posix_spawn_file_actions_destroy(&actions);
		return rc;
	}
	/* closing comes last: it would close what is opened before 0 to 2 */
	if ((rc = input >= 0 ? posix_spawn_file_actions_adddup2(&actions, input, 0) :
		 posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)) == 0 &&
		(rc = posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0)) == 0 &&
		(rc = posix_spawn_file_actions_addopen(&actions, 2, log,
											   O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW,
											   S_IRUSR | S_IWUSR)) == 0 &&
		(rc = posix_spawn_file_actions_addchdir_np(&actions, directory)) == 0 &&
		(rc = posix_spawn_file_actions_addclosefrom_np(&actions, 3)) == 0 &&
		(rc = posix_spawnattr_setsigmask(&attributes, &none)) == 0 &&
		(rc = posix_spawnattr_setsigdefault(&attributes, &all)) == 0 &&
		(rc = posix_spawnattr_setflags(&attributes,
									   POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGDEF |
									   POSIX_SPAWN_SETSIGMASK)) == 0)
		rc = posix_spawn(pid, vibe_shim_path, &actions, &attributes, argv, env);
	posix_spawnattr_destroy(&attributes);
	posix_spawn_file_actions_destroy(&actions);
	return rc;
}

/*
 * Until a child is reaped its number cannot be reused, so reading its start
 * time and opening the pidfd after the spawn is safe.
 */
static int
start(char **argv, const char *directory, const char *log, char **env, int input, VibeProcess *process)
{
	int			rc;

	memset(process, 0, sizeof(VibeProcess));
	process->pidfd = -1;
	rc = spawn_with(argv, directory, log, env, input, &process->pid);
	if (rc != 0)
	{
		process->pid = 0;
		return rc;
	}
	process->child = true;
	(void) read_start(process->pid, &process->start);
	process->pidfd = open_pidfd(process->pid);
	return 0;
}

/*
 * Start "vibe_shim VERB DIRECTORY" and watch it under key; 0 or an errno.  A
 * run goes to the shim that waits, if there is one.
 */
int
vibe_shim_spawn(const char *verb, const char *directory, List *pass_env,
				int64 key, VibeProcess *process)
{
	char	   *argv[] = {vibe_shim_path, (char *) verb, (char *) directory, NULL};
	int			rc;

	if (strcmp(verb, "run") == 0 && let_go(directory, process))
	{
		watch(process, key);
		return 0;
	}
	rc = start(argv, directory, psprintf("%s/../../shim.log", directory),
			   make_environment(pass_env), -1, process);
	if (rc == 0)
		watch(process, key);
	return rc;
}

/* ----- the shim that waits ----- */

/* Nothing is left for it to do: it ends by itself. */
static void
withdraw_spare(void)
{
	if (spare_fd >= 0)
		close(spare_fd);
	spare_fd = -1;
	offered[0] = '\0';
}

/*
 * Tell the shim that waits, if there is one, what its run will probably be, so
 * that it can get ready.  It does nothing that anybody sees before the run is
 * started by vibe_shim_spawn(); the next offer takes this one back.
 *
 * The message is written in one piece or not at all, which a pipe promises for
 * so many bytes; a longer one is not tried.
 */
void
vibe_shim_offer(const char *directory, List *pass_env)
{
	char		message[PIPE_BUF];
	char	  **env = make_environment(pass_env);
	size_t		length = strlen(directory) + 1;

	if (offered[0] != '\0')
		withdraw_spare();
	if (spare_fd < 0 || vibe_shim_has_ended(&spare) || length > sizeof(offered))
		return;
	for (char **variable = env; *variable != NULL; variable++)
		length += strlen(*variable) + 1;
	if (length + 1 > sizeof(message))
		return;
	length = strlcpy(message, directory, sizeof(message)) + 1;
	for (char **variable = env; *variable != NULL; variable++)
		length += strlcpy(message + length, *variable, sizeof(message) - length) + 1;
	message[length++] = '\0';
	strlcpy(offered, directory, sizeof(offered));
	if (write(spare_fd, message, length) != (ssize_t) length)
		withdraw_spare();
}

/* Start the run that was offered; false if it was not, or if its shim is gone. */
static bool
let_go(const char *directory, VibeProcess *process)
{
	if (offered[0] == '\0' || strcmp(offered, directory) != 0 || write(spare_fd, "", 1) != 1)
		return false;
	*process = spare;
	process->word_fd = spare_fd;
	spare = (VibeProcess)
	{
		.pidfd = -1
	};
	spare_fd = -1;
	offered[0] = '\0';
	return true;
}

/*
 * Have a shim wait for the next run, or none.  It is told where that will be
 * made, with room for the path of any run: its own place is shown among the
 * server's processes, and later its run's.
 */
void
vibe_shim_keep_spare(bool wanted, const char *directory)
{
	char	   *argv[] = {vibe_shim_path, "wait", psprintf("%s/next%22s", directory, ""), NULL};
	char	   *env[] = {NULL};
	int			fds[2];

	if (!wanted || offered[0] != '\0')
		withdraw_spare();
	if (spare.pid != 0 && vibe_shim_has_ended(&spare))
	{
		vibe_shim_forget(&spare);
		withdraw_spare();
	}
	if (!wanted || spare.pid != 0 || pipe2(fds, O_CLOEXEC | O_NONBLOCK | O_DIRECT) != 0)
		return;
	/* each write is read as such; it reads when it likes, only we must never wait */
	(void) fcntl(fds[0], F_SETFL, 0);
	if (start(argv, "/", psprintf("%s/shim.log", directory), env, fds[0], &spare) == 0)
		spare_fd = fds[1];
	else
		close(fds[1]);
	close(fds[0]);
}

/*
 * Only the inode number matters: "pid:[4026531836]" and "4026531836" are the
 * same namespace.
 */
static bool
same_namespace(const char *other)
{
	const char *digits = "0123456789";

	return strtoull(other + strcspn(other, digits), NULL, 10) ==
		strtoull(pid_ns + strcspn(pid_ns, digits), NULL, 10);
}

/*
 * Take over a shim that an earlier dispatcher started.
 *
 * The pidfd is opened first and the start time compared after: if the start
 * time is right then, the pidfd was opened on that very process, since the
 * number cannot have been given away in between and back.
 */
VibeAlive
vibe_shim_adopt(int64 pid, int64 start, const char *of_boot, const char *of_ns,
				int64 key, VibeProcess *process)
{
	int64		found;

	memset(process, 0, sizeof(VibeProcess));
	process->pidfd = -1;
	if (strcmp(of_boot, boot_id) != 0)
		return PROCESS_GONE;
	if (!same_namespace(of_ns))
		return PROCESS_ELSEWHERE;
	if (pid <= 1 || pid > PG_INT32_MAX)
		return PROCESS_GONE;

	process->pid = (pid_t) pid;
	process->start = start;
	process->pidfd = open_pidfd(process->pid);
	if (!read_start(process->pid, &found) || found != start)
	{
		vibe_shim_forget(process);
		return PROCESS_GONE;
	}
	watch(process, key);
	return PROCESS_SAME;
}

/*
 * Has it ended?  A child is reaped by that, by number: waiting for any child
 * would take the status of programs that COPY and others run.
 */
bool
vibe_shim_has_ended(VibeProcess *process)
{
	int64		found;
	int			status;

	if (process->pid == 0)
		return true;
	if (process->child)
	{
		pid_t		rc = waitpid(process->pid, &status, WNOHANG);

		return rc == process->pid || (rc < 0 && errno == ECHILD);
	}
	if (process->pidfd >= 0)
	{
		/* readable as soon as it is a zombie, which still has its start time */
		struct pollfd ended = {.fd = process->pidfd, .events = POLLIN};

		return poll(&ended, 1, 0) == 1;
	}
	return !read_start(process->pid, &found) || found != process->start;
}

/*
 * Has it nothing more to say?  True once.  Then the record of its run is there,
 * unless it was killed, and what is left of the process is its own end.
 */
bool
vibe_shim_said_last_word(VibeProcess *process)
{
	struct pollfd word = {.fd = process->word_fd, .events = 0};

	if (process->word_fd == 0 || poll(&word, 1, 0) != 1)
		return false;
	close(process->word_fd);
	process->word_fd = 0;
	return true;
}

/* Forget a child, and reap it whenever it has gone; false if it has to be waited for. */
bool
vibe_shim_let_leave(VibeProcess *process)
{
	struct epoll_event event = {.events = EPOLLIN,.data.u64 = LEAVING_KEY};

	if (!process->child || leaving_count == MAX_LEAVING)
		return false;
	if (process->pidfd >= 0 && epoll_ctl(epoll_fd, EPOLL_CTL_MOD, process->pidfd, &event) != 0)
		vibe_shim_unwatch(process);
	leaving[leaving_count] = process->pid;
	leaving_fds[leaving_count++] = process->pidfd;
	process->pidfd = -1;
	vibe_shim_forget(process);
	return true;
}

static void
reap_leaving(void)
{
	int			left = 0;
	int			status;

	for (int i = 0; i < leaving_count; i++)
	{
		if (waitpid(leaving[i], &status, WNOHANG) == 0)
		{
			leaving[left] = leaving[i];
			leaving_fds[left++] = leaving_fds[i];
		}
		else if (leaving_fds[i] >= 0)
			close(leaving_fds[i]);
	}
	leaving_count = left;
}

/* Signal this very process; false if it is gone. */
bool
vibe_shim_signal(VibeProcess *process, int signal)
{
	int64		found;

	if (process->pid == 0)
		return false;
#ifdef SYS_pidfd_send_signal
	if (process->pidfd >= 0)
		return syscall(SYS_pidfd_send_signal, process->pidfd, signal, NULL, 0) == 0 ||
			errno == EPERM;
#endif
	/* an unreaped child keeps its number; of others the start time is asked */
	if (!process->child && (!read_start(process->pid, &found) || found != process->start))
		return false;
	return kill(process->pid, signal) == 0 || errno == EPERM;
}

/* Look for it by number from now on. */
void
vibe_shim_unwatch(VibeProcess *process)
{
	if (process->pidfd >= 0)
		close(process->pidfd);
	process->pidfd = -1;
}

/* Drop the descriptors; closing them takes them out of the set, too. */
void
vibe_shim_forget(VibeProcess *process)
{
	if (process->pidfd >= 0)
		close(process->pidfd);
	if (process->word_fd > 0)
		close(process->word_fd);
	memset(process, 0, sizeof(VibeProcess));
	process->pidfd = -1;
}

/*
 * The keys of processes that ended, or are about to, since the last call; one
 * may be there twice.
 */
int
vibe_shim_take_events(int64 *keys, int max)
{
	struct epoll_event events[64];
	int			count;
	int			found = 0;

	if (leaving_count > 0)
		reap_leaving();
	count = epoll_wait(epoll_fd, events, Min(max, (int) lengthof(events)), 0);
	for (int i = 0; i < count; i++)
	{
		if (events[i].data.u64 != LEAVING_KEY)
			keys[found++] = (int64) events[i].data.u64;
	}
	return found;
}
