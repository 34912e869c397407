/*
 * stamp.c
 *		The agents of the benches, and their baselines.
 *
 *		stamp FILE				appends "first-instruction last-instruction" in nanoseconds,
 *								with a moment between them, as an agent that works has
 *		stamp stay FILE			appends "first-instruction pid" and stays until it is killed
 *		stamp kill PID			kills it and says when, in nanoseconds
 *		stamp baseline N DIR	the median of N times (two bare spawns, one fdatasync), in nanoseconds
 *		stamp spawn N PARALLEL	/bin/true N times, so many at a time: runs per second
 *
 * Compiled and linked statically, because the start of an interpreter or of a
 * loader would be measured with it.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define WORK_NS 20000000

static int64_t
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t) t.tv_sec * 1000000000 + t.tv_nsec;
}

static int
compare(const void *a, const void *b)
{
	int64_t		left = *(const int64_t *) a;
	int64_t		right = *(const int64_t *) b;

	return left < right ? -1 : left > right;
}

static void
spawn(void)
{
	char	   *argv[] = {"/bin/true", NULL};
	char	   *envp[] = {NULL};
	pid_t		pid;

	if (posix_spawn(&pid, argv[0], NULL, NULL, argv, envp) != 0)
		exit(71);
}

static void
spawn_and_wait(void)
{
	spawn();
	wait(NULL);
}

static int
spawn_many(int runs, int parallel)
{
	int64_t		begin = now();

	for (int i = 0; i < runs; i++)
	{
		if (i >= parallel)
			wait(NULL);
		spawn();
	}
	while (wait(NULL) > 0)
		;
	printf("%.1f\n", runs * 1e9 / (now() - begin));
	return 0;
}

static int
open_to_append(const char *file)
{
	return open(file, O_WRONLY | O_CREAT | O_APPEND, 0600);
}

static int
append(int fd, int64_t first, int64_t second)
{
	char		line[64];

	snprintf(line, sizeof(line), "%" PRId64 " %" PRId64 "\n", first, second);
	return fd < 0 ? 64 : write(fd, line, strlen(line)) < 0 ? 70 : 0;
}

static int
kill_now(pid_t pid)
{
	printf("%" PRId64 "\n", now());
	return kill(pid, SIGKILL) != 0;
}

static int
baseline(int rounds, const char *dir)
{
	int64_t    *took = calloc(rounds, sizeof(int64_t));
	char		path[4096];
	int			fd;

	snprintf(path, sizeof(path), "%s/baseline", dir);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	if (took == NULL || fd < 0)
		return 1;
	for (int i = 0; i < rounds; i++)
	{
		int64_t		begin = now();

		spawn_and_wait();
		spawn_and_wait();
		if (write(fd, path, 100) < 0 || fdatasync(fd) < 0)
			return 1;
		took[i] = now() - begin;
	}
	qsort(took, rounds, sizeof(int64_t), compare);
	printf("%" PRId64 "\n", took[rounds / 2]);
	free(took);
	close(fd);
	return 0;
}

int
main(int argc, char **argv)
{
	int64_t		begin = now();
	const char *verb = argc > 1 ? argv[1] : "";
	int			fd;

	if (argc == 4 && strcmp(verb, "baseline") == 0)
		return baseline(atoi(argv[2]), argv[3]);
	if (argc == 4 && strcmp(verb, "spawn") == 0)
		return spawn_many(atoi(argv[2]), atoi(argv[3]));
	if (argc == 3 && strcmp(verb, "kill") == 0)
		return kill_now(atoi(argv[2]));
	if (argc == 3 && strcmp(verb, "stay") == 0)
	{
		if (append(open_to_append(argv[2]), begin, getpid()) == 0)
			pause();
		return 70;
	}
	if (argc != 2)
		return 64;
	fd = open_to_append(argv[1]);
	nanosleep(&(struct timespec) {.tv_nsec = WORK_NS}, NULL);
	return append(fd, begin, now());
}
