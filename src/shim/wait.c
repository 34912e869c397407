/*
 * wait.c
 *		A shim that is there before its run is.
 *
 * While agents work, the dispatcher keeps one shim that is loaded and waits on
 * its standard input.  The next run is handed to it as one message, so that
 * between two agents no program has to be loaded but the agent itself, and is
 * started by one more byte: until then it may be taken back.  A shim that waits
 * has no run: nothing depends on it, and it ends with its dispatcher, whose end
 * of the pipe closes.  Our end of it is our last word: closing it says that the
 * exit record is there.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "environment.h"
#include "run.h"
#include "started.h"
#include "wait.h"

#define MOST_VARIABLES 256

extern char **environ;

/*
 * The message: strings that end with a zero byte, the run directory first, then
 * NAME=value, and an empty one at the end.  It is written at once and fits into
 * a pipe, so a part of one means that the writer is not ours.
 */
static bool
read_message(char *message, size_t size)
{
	ssize_t		got;

	do
		got = read(STDIN_FILENO, message, size);
	while (got < 0 && errno == EINTR);
	return got > 2 && message[0] == '/' && message[got - 1] == '\0' && message[got - 2] == '\0';
}

static void
take_environment(char *variable)
{
	static char *variables[MOST_VARIABLES + 1];
	int			count = 0;

	for (; *variable != '\0' && count < MOST_VARIABLES; variable += strlen(variable) + 1)
		variables[count++] = variable;
	environ = variables;
}

static bool
leave_pipe(void)
{
	int			null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	bool		left = null >= 0 && dup2(null, STDIN_FILENO) == STDIN_FILENO;

	if (null > STDIN_FILENO)
		close(null);
	return left;
}

/* What needs no run is done in the directory that the next one will probably get. */
static void
prepare(const char *word)
{
	char		dir[PATH_MAX];
	size_t		length = strlen(word);
	int			fd;

	while (length > 0 && word[length - 1] == ' ')
		length--;
	if (length >= sizeof(dir))
		return;
	memcpy(dir, word, length);
	dir[length] = '\0';
	environment_know_user();
	(void) run_describe_self();
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return;
	run_take_ahead(fd);
	close(fd);
}

/*
 * "wait DIR" becomes "run DIR" for whoever lists processes: both words lie behind
 * one another in memory, and the directory waited with has room for any run's.
 */
static void
show_run(char **words, const char *dir)
{
	size_t		room = words[1] + strlen(words[1]) - words[0];

	if (strlen("run") + 1 + strlen(dir) > room)
		return;
	memset(words[0], 0, room);
	strcpy(words[0], "run");
	strcpy(words[0] + strlen("run") + 1, dir);
}

void
wait_main(char **words)
{
	static char message[PIPE_BUF];
	int			pipe;

	prepare(words[1]);
	if (!read_message(message, sizeof(message)))
		return;
	show_run(words, message);
	take_environment(message + strlen(message) + 1);
	/* without the pipe the word to start could not be waited for */
	pipe = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
	if (pipe >= 0 && leave_pipe() && chdir(message) == 0)
		run_main(message, pipe);
}
