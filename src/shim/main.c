/*
 * main.c
 *		vibe_shim: stands between the server and one agent.
 *
 *		vibe_shim run DIR		one run, from DIR/launch to DIR/exit
 *		vibe_shim inner			the agent's side of a run, behind a prefix
 *		vibe_shim sweep DIR		kills what a shim that died has left of a run
 *		vibe_shim sweep-here DIR	the same, behind a prefix
 *		vibe_shim --version
 *
 * A program of its own, and not a part of the server: agents survive a restart
 * of the server, no bug in reading their output can crash it, and a forked
 * server process would keep shared memory attached.
 *
 * run and inner end with status 0 whatever happened.  Where the server is
 * process 1 it adopts orphans, and takes any other status for the crash of one
 * of its own processes.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "frame.h"
#include "run.h"
#include "serve.h"
#include "signals.h"
#include "spawn.h"
#include "sweep.h"
#include "tree.h"
#include "wait.h"

static int
usage(void)
{
	fprintf(stderr, "usage: vibe_shim run DIR | wait DIR | inner | sweep DIR | --version\n");
	return 2;
}

/* Else a pipe could become descriptor 1, and an agent's output ours. */
static void
open_standard_descriptors(void)
{
	int			fd;

	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd < 3);
	if (fd >= 0)
		close(fd);
}

int
main(int argc, char **argv)
{
	bool		has_dir = argc == 3 && argv[2][0] == '/';

	signals_block();
	umask(077);
	open_standard_descriptors();
	spawn_leave_protection();
	if (argc == 2 && strcmp(argv[1], "--version") == 0)
		printf("vibe_shim %s protocol %d\n", VIBE_VERSION, PROTOCOL);
	else if (argc == 2 && strcmp(argv[1], "inner") == 0)
		serve_main();
	else if (has_dir && strcmp(argv[1], "wait") == 0)
		wait_main(argv + 1);
	else if (has_dir && strcmp(argv[1], "run") == 0)
		run_main(argv[2], -1);
	else if (has_dir && strcmp(argv[1], "sweep") == 0)
		sweep_main(argv[2]);
	else if (has_dir && strcmp(argv[1], "sweep-here") == 0)
		tree_sweep(argv[2]);
	else
		return usage();
	return 0;
}
