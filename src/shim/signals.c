/*
 * signals.c
 *		Signals as events of the loop.
 *
 * All are blocked from the first line of main on: what comes early waits in the
 * signal descriptor.  TERM, INT, HUP and QUIT mean "end the tree".  This is the
 * loop's only reaper; tree.c reaps only while the loop stands still.
 */
#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "signals.h"

static const int watched[] = {SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGCHLD};

void
signals_block(void)
{
	sigset_t	set;

	sigfillset(&set);
	sigprocmask(SIG_SETMASK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	/* an inherited SIG_IGN would make the kernel reap our children itself */
	signal(SIGCHLD, SIG_DFL);
}

static void
signals_ready(void *context)
{
	Signals    *signals = context;
	struct signalfd_siginfo info;
	bool		end = false;
	int			status;
	pid_t		pid;

	while (read(signals->source.fd, &info, sizeof(info)) == sizeof(info))
		if (info.ssi_signo != SIGCHLD)
			end = true;
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		signals->on_child(signals->context, pid, status);
	if (end)
		signals->on_end(signals->context);
}

bool
signals_open(Signals *signals, Loop *loop)
{
	sigset_t	set;
	int			fd;

	sigemptyset(&set);
	for (size_t i = 0; i < sizeof(watched) / sizeof(watched[0]); i++)
		sigaddset(&set, watched[i]);
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd < 0)
		return false;
	loop_watch(loop, &signals->source, fd, EPOLLIN, signals_ready, signals);
	return true;
}
