/*
 * started.c
 *		Takes a run, or yields.
 *
 * Who may start an agent is decided by link() of the name "started": the shim
 * links its own description to it, an adopter that gives the run up links
 * another file to the same name.  link() never replaces a name, so exactly one
 * of them wins; rename() could not decide this.
 *
 * The description needs no fsync.  It is of use only to a dispatcher of the
 * same boot; after a power failure its boot id differs anyway.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <jansson.h>

#include "frame.h"
#include "process.h"
#include "started.h"

/* Does not change while we live, so a shim that waits for its run knows it already. */
const char *
run_describe_self(void)
{
	static char *text = NULL;
	char		boot_id[64] = "";
	char		pid_ns[64] = "";
	ProcessStat stat = {0};
	json_t	   *meta;

	if (text != NULL)
		return text;
	process_boot_id(boot_id, sizeof(boot_id));
	process_pid_namespace(pid_ns, sizeof(pid_ns));
	process_stat(getpid(), &stat);
	meta = json_pack("{s:i, s:I, s:s, s:s, s:i}", "pid", (int) getpid(),
					 "pid_start", (json_int_t) stat.start, "boot_id", boot_id,
					 "pid_ns", pid_ns, "protocol", PROTOCOL);
	text = json_dumps(meta, JSON_COMPACT);
	json_decref(meta);
	return text;
}

static void
meta_name(char *name, size_t size)
{
	snprintf(name, size, "meta.%d", (int) getpid());
}

/* The inode of the description that was made ahead; 0 if none was. */
static ino_t made_ahead = 0;

static bool
meta_make(int dir_fd, const char *name)
{
	const char *text = run_describe_self();
	struct stat info;
	int			fd;
	bool		made;

	/* a leftover of a dead process with our pid */
	unlinkat(dir_fd, name, 0);
	fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return false;
	made = text != NULL && write(fd, text, strlen(text)) == (ssize_t) strlen(text) && fstat(fd, &info) == 0;
	close(fd);
	if (made)
		made_ahead = info.st_ino;
	return made;
}

/* Makes the description where the run will probably be: a shim that waits has the time. */
void
run_take_ahead(int dir_fd)
{
	char		name[32];

	meta_name(name, sizeof(name));
	meta_make(dir_fd, name);
}

/* True: the run is ours.  False: somebody else has it, or the directory is unusable. */
bool
run_take(int dir_fd)
{
	char		name[32];
	struct stat info;
	bool		taken;

	meta_name(name, sizeof(name));
	taken = made_ahead != 0 && fstatat(dir_fd, name, &info, AT_SYMLINK_NOFOLLOW) == 0 && info.st_ino == made_ahead;
	taken = (taken || meta_make(dir_fd, name)) && linkat(dir_fd, name, dir_fd, "started", 0) == 0;
	unlinkat(dir_fd, name, 0);
	return taken;
}
