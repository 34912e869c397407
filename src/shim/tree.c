/*
 * tree.c
 *		Ends every descendant of this process, and sweeps up after a dead shim.
 *
 * The shim is a child subreaper, so whatever its agent starts stays below it:
 * new sessions and double forks change nothing.  "No child left" (ECHILD)
 * therefore proves "no descendant left", and costs one system call in the
 * usual case of an agent that cleaned up.
 *
 * Otherwise: walk /proc, stop every descendant, walk again until no new one
 * shows up (a stopped process cannot fork), then kill all, reap, and repeat
 * until ECHILD.  Signals go through a pidfd after comparing the start time, so
 * a reused pid never costs a stranger its life.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "buffer.h"
#include "loop.h"
#include "process.h"
#include "tree.h"

#define STOP_WALKS 50			/* walks in a row that may find new processes */
#define ROUND_WAIT_NS 5000000L
#define FOREIGN_PATIENCE 5000000	/* microseconds */
#define INNER_PATIENCE 5000000

typedef struct Process
{
	pid_t		pid;
	ProcessStat stat;
	bool		below;			/* a descendant of ours, or of the run's */
	bool		spared;			/* ourselves, or an ancestor of ours */
} Process;

typedef struct ProcessList
{
	Process    *list;
	size_t		count;
	size_t		capacity;
} ProcessList;

static void
list_add(ProcessList *processes, const Process *process)
{
	if (processes->count == processes->capacity)
	{
		size_t		capacity = processes->capacity ? processes->capacity * 2 : 256;
		Process    *grown = memory_get(capacity * sizeof(Process));

		if (processes->count > 0)
			memcpy(grown, processes->list, processes->count * sizeof(Process));
		free(processes->list);
		processes->list = grown;
		processes->capacity = capacity;
	}
	processes->list[processes->count++] = *process;
}

static int
process_compare(const void *a, const void *b)
{
	pid_t		left = ((const Process *) a)->pid;
	pid_t		right = ((const Process *) b)->pid;

	return left < right ? -1 : left > right;
}

static Process *
list_find(const ProcessList *processes, pid_t pid)
{
	Process		key = {.pid = pid};

	if (processes->count == 0)
		return NULL;
	return bsearch(&key, processes->list, processes->count, sizeof(Process), process_compare);
}

/* Everything in /proc, sorted by pid. */
static void
list_all(ProcessList *processes)
{
	DIR		   *proc = opendir("/proc");
	struct dirent *entry;

	processes->count = 0;
	while (proc != NULL && (entry = readdir(proc)) != NULL)
	{
		Process		process = {.pid = atoi(entry->d_name)};

		if (process.pid > 0 &&
			process_stat(process.pid, &process.stat))
			list_add(processes, &process);
	}
	if (proc != NULL)
		closedir(proc);
	if (processes->count > 0)
		qsort(processes->list, processes->count, sizeof(Process), process_compare);
}

/* Whoever descends from one that is marked is marked; one pass per generation when pids are out of order. */
static void
list_spread_below(ProcessList *processes)
{
	bool		changed = true;

	while (changed)
	{
		changed = false;
		for (size_t i = 0; i < processes->count; i++)
		{
			Process    *process = &processes->list[i];
			Process    *parent;

			if (process->below)
				continue;
			parent = list_find(processes, process->stat.parent);
			if (parent == NULL || !parent->below)
				continue;
			process->below = true;
			changed = true;
		}
	}
}

/* Marks our descendants. */
static void
list_mark_below(ProcessList *processes)
{
	pid_t		self = getpid();

	for (size_t i = 0; i < processes->count; i++)
		processes->list[i].below = processes->list[i].stat.parent == self;
	list_spread_below(processes);
}

/* Returns 0 or an errno; ESRCH also when the pid is another process by now. */
static int
process_signal(const Process *process, int number)
{
	ProcessStat now;
	int			error = ESRCH;
	int			fd = pidfd_open(process->pid, 0);

	if (fd < 0)
		return errno;
	if (process_stat(process->pid, &now) && now.start == process->stat.start)
		error = pidfd_send_signal(fd, number, NULL, 0) == 0 ? 0 : errno;
	close(fd);
	return error;
}

static void
reap(TreeEnd *end, bool *none_left)
{
	int			status;
	pid_t		pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
	{
		if (pid != end->agent)
			continue;
		end->agent_reaped = true;
		end->agent_status = status;
	}
	*none_left = pid < 0 && errno == ECHILD;
}

/*
 * Signals one descendant and its process group.  A group gets a signal at once
 * and in full, even while its members fork: this catches a chain of processes
 * that fork and exit faster than /proc can be read.  A group of our descendants
 * has no other members, since groups do not span sessions.
 */
static int
descendant_signal(const Process *process, int number)
{
	int			error = process_signal(process, number);

	if (process->stat.group > 1 && process->stat.group != getpgrp())
		kill(-process->stat.group, number);
	return error;
}

/*
 * Stops all descendants.  Those not met before are counted and remembered; the
 * walks end when one finds nothing new.
 */
static void
stop_all(TreeEnd *end, ProcessList *now, ProcessList *met)
{
	bool		found = true;

	for (int walk = 0; found && walk < STOP_WALKS; walk++)
	{
		size_t		known = met->count;

		found = false;
		list_all(now);
		list_mark_below(now);
		for (size_t i = 0; i < now->count; i++)
		{
			Process    *process = &now->list[i];
			Process    *before = NULL;

			if (!process->below || process->stat.state == 'Z' || process->stat.state == 'X')
				continue;
			for (size_t j = 0; j < known && before == NULL; j++)
				if (met->list[j].pid == process->pid && met->list[j].stat.start == process->stat.start)
					before = &met->list[j];
			if (before != NULL)
				continue;
			descendant_signal(process, SIGSTOP);
			list_add(met, process);
			found = true;
			if (process->pid != end->agent)
				end->leftover++;
		}
	}
}

/* Kills all that the last walk found; true if all that live belong to someone else. */
static bool
kill_all(const ProcessList *now)
{
	bool		some = false;
	bool		all_foreign = true;

	for (size_t i = 0; i < now->count; i++)
	{
		if (!now->list[i].below || now->list[i].stat.state == 'Z')
			continue;
		some = true;
		if (descendant_signal(&now->list[i], SIGKILL) != EPERM)
			all_foreign = false;
	}
	return some && all_foreign;
}

/* Waits for the next child to end, or a moment: not every death is announced to us. */
static void
wait_for_child(void)
{
	struct timespec moment = {0, ROUND_WAIT_NS};
	sigset_t	child;

	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	sigtimedwait(&child, NULL, &moment);
}

/* No descendant is left, alive or dead: we are a child subreaper, so each would be below a child of ours. */
bool
tree_is_empty(void)
{
	TreeEnd		end = {0};
	bool		none_left;

	reap(&end, &none_left);
	return none_left;
}

/*
 * Returns when no descendant is left.  A process in an uninterruptible wait is
 * waited for: as long as it lives, nobody else may use its workspace.  One that
 * belongs to another user (the agent called sudo) cannot be ended from here;
 * after some patience it is left, and said so.
 */
void
tree_end(TreeEnd *end)
{
	ProcessList now = {0};
	ProcessList met = {0};
	int64_t		foreign_since = 0;
	bool		none_left;

	reap(end, &none_left);
	while (!none_left)
	{
		stop_all(end, &now, &met);
		if (!kill_all(&now))
			foreign_since = 0;
		else if (foreign_since == 0)
			foreign_since = loop_now();
		else if (loop_now() - foreign_since > FOREIGN_PATIENCE)
		{
			end->unkillable = true;
			break;
		}
		wait_for_child();
		reap(end, &none_left);
	}
	free(now.list);
	free(met.list);
}

/* A file of a process, with a zero byte after it; nothing where it cannot be read. */
static void
process_read(pid_t pid, const char *name, Buffer *text)
{
	char		path[64];
	ssize_t		got = 0;
	int			fd;

	snprintf(path, sizeof(path), "/proc/%d/%s", (int) pid, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	do
	{
		text->length += got;
		buffer_reserve(text, 65536);
		got = fd < 0 ? 0 : read(fd, text->data + text->length, 65536 - 1);
	} while (got > 0);
	if (fd >= 0)
		close(fd);
	text->data[text->length] = '\0';
}

/* Does this process carry VIBE_RUN_DIR=run_dir in its environment? */
static bool
process_is_of_run(pid_t pid, const char *entry)
{
	Buffer		text = {0};
	size_t		length = strlen(entry);
	bool		found = false;

	process_read(pid, "environ", &text);
	for (size_t i = 0; i < text.length && !found; i += strlen(text.data + i) + 1)
		found = strlen(text.data + i) == length && memcmp(text.data + i, entry, length) == 0;
	buffer_free(&text);
	return found;
}

/* Is this a shim that does this, for that directory?  Everybody may read command lines. */
static bool
process_is_shim(pid_t pid, const char *verb, const char *run_dir)
{
	Buffer		text = {0};
	const char *words[3] = {"", "", ""};
	size_t		at = 0;
	bool		is_shim;

	process_read(pid, "cmdline", &text);
	for (int i = 0; i < 3 && at < text.length; i++)
	{
		words[i] = text.data + at;
		at += strlen(words[i]) + 1;
	}
	is_shim = strcmp(words[1], verb) == 0 && strcmp(words[2], run_dir) == 0;
	buffer_free(&text);
	return is_shim;
}

/*
 * Marks the processes of a run: those that say so, and whatever descends from
 * them, whatever it says.  Behind a prefix our ancestors lead to the outer shim,
 * if that lives.  It is a child subreaper, so what a killed inner shim has left
 * behind is below it, even with an environment that was emptied.
 */
static void
list_mark_run(ProcessList *processes, const char *entry, const char *run_dir)
{
	Process    *process = list_find(processes, getpid());

	for (size_t i = 0; i < processes->count; i++)
		processes->list[i].below = process_is_of_run(processes->list[i].pid, entry);
	while (process != NULL)
	{
		process->spared = true;
		process->below |= process_is_shim(process->pid, "run", run_dir);
		process = process->stat.parent != 0 ? list_find(processes, process->stat.parent) : NULL;
	}
	list_spread_below(processes);
}

/*
 * One round over /proc; returns how many processes of the run it met.  An inner
 * shim has noticed by now, and is better at ending its own descendants than we
 * are; it only has to be running.  (An agent that looks like one is late, too.)
 */
static int
sweep_round(ProcessList *processes, const char *entry, const char *run_dir, bool spare_inner)
{
	int			met = 0;

	list_all(processes);
	list_mark_run(processes, entry, run_dir);
	for (size_t i = 0; i < processes->count; i++)
	{
		Process    *process = &processes->list[i];

		if (!process->below || process->spared || process->stat.state == 'Z' || process->stat.state == 'X')
			continue;
		if (spare_inner && process_is_shim(process->pid, "inner", ""))
			met += process_signal(process, SIGCONT) == 0;
		else
			met += descendant_signal(process, SIGKILL) == 0;
	}
	return met;
}

/*
 * Kills what a shim that died left behind.  Two empty rounds in a row end it: a
 * process that forked while /proc was read shows its child in the next round.
 */
void
tree_sweep(const char *run_dir)
{
	ProcessList processes = {0};
	char	   *entry = text_format("VIBE_RUN_DIR=%s", run_dir);
	int64_t		begin = loop_now();
	int			empty = 0;

	while (empty < 2)
	{
		if (sweep_round(&processes, entry, run_dir, loop_now() - begin < INNER_PATIENCE) > 0)
			empty = 0;
		else
			empty++;
		if (empty < 2)
			wait_for_child();
	}
	free(processes.list);
	free(entry);
}
