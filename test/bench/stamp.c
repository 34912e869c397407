/*
 * stamp.c
 *		The agent of the hand-over benchmark, and its baseline.
 *
 *		stamp FILE				appends "first-instruction last-instruction" in nanoseconds,
 *								with a moment between them, as an agent that works has
 *		stamp baseline N DIR	the median of N times (two bare spawns, one fdatasync), in nanoseconds
 *
 * A compiled program, because an interpreter's start would be measured with it.
 */
#include <fcntl.h>
#include <inttypes.h>
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
spawn_and_wait(void)
{
	char	   *argv[] = {"/bin/true", NULL};
	char	   *envp[] = {NULL};
	pid_t		pid;

	if (posix_spawn(&pid, argv[0], NULL, NULL, argv, envp) == 0)
		waitpid(pid, NULL, 0);
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
	char		line[64];
	int			fd;

	if (argc == 4 && strcmp(argv[1], "baseline") == 0)
		return baseline(atoi(argv[2]), argv[3]);
	if (argc != 2 || (fd = open(argv[1], O_WRONLY | O_CREAT | O_APPEND, 0600)) < 0)
		return 64;
	nanosleep(&(struct timespec) {.tv_nsec = WORK_NS}, NULL);
	snprintf(line, sizeof(line), "%" PRId64 " %" PRId64 "\n", begin, now());
	if (write(fd, line, strlen(line)) < 0)
		return 70;
	return 0;
}
