/*-------------------------------------------------------------------------
 *
 * publish.c
 *		Moves a staged output file to its place in the project.
 *
 * The target's path comes from tables, and the dispatcher writes with the
 * server's rights, so the way to it is walked by descriptor: a link on the way
 * is followed only if root or the server made it, and nothing is ever written
 * into the data directory or the run directory.  The last step is a rename:
 * it replaces a link instead of following it, readers see the old file or the
 * new one, and if the staged file is gone the work was done before.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "guc.h"
#include "miscadmin.h"
#include "publish.h"

#define COPY_SIZE (64 * 1024)
#define FILE_MODE (S_IRUSR | S_IWUSR | S_IRGRP)
#define DIRECTORY_MODE (S_IRWXU | S_IRGRP | S_IXGRP)

static int	enter_directory(int parent, const char *name);
static int	open_parent(const char *target, char **name, char **problem);
static bool is_below(int fd, const char *directory);
static bool is_servers(int fd);
static bool copy_into(int from, int parent, const char *temporary);

/* Open a directory below parent, making it if it is missing; -1 with errno. */
static int
enter_directory(int parent, const char *name)
{
	const int	flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
	struct stat st;
	bool		made;
	int			fd = openat(parent, name, flags | O_NOFOLLOW);

	if (fd >= 0)
		return fd;
	if (errno == ENOENT)
	{
		if (is_servers(parent))
		{
			errno = EPERM;
			return -1;
		}
		/* the server's umask leaves nothing for the group */
		made = mkdirat(parent, name, S_IRWXU) == 0;
		if (!made && errno != EEXIST)
			return -1;
		fd = openat(parent, name, flags | O_NOFOLLOW);
		if (made && fd >= 0 && fchmod(fd, DIRECTORY_MODE) != 0)
			elog(DEBUG1, "could not open directory \"%s\" to its group: %m", name);
		return fd;
	}
	if (fstatat(parent, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(st.st_mode))
	{
		if (st.st_uid == 0 || st.st_uid == geteuid())
			return openat(parent, name, flags);
		errno = ELOOP;
	}
	return -1;
}

/* The directory of the target, made as needed, and the last name of it. */
static int
open_parent(const char *target, char **name, char **problem)
{
	char	   *next = pstrdup(target);
	int			fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	for (;;)
	{
		char	   *slash;
		int			below;

		while (*next == '/')
			next++;
		slash = strchr(next, '/');
		if (slash != NULL)
			*slash = '\0';
		if (fd < 0 || *next == '\0' || strcmp(next, ".") == 0 || strcmp(next, "..") == 0)
		{
			*problem = psprintf("\"%s\" is not a usable path", target);
			break;
		}
		if (slash == NULL)
		{
			*name = next;
			return fd;
		}
		below = enter_directory(fd, next);
		if (below < 0)
		{
			*problem = psprintf("could not open directory \"%s\" of \"%s\": %s",
								next, target, strerror(errno));
			break;
		}
		close(fd);
		fd = below;
		next = slash + 1;
	}
	if (fd >= 0)
		close(fd);
	return -1;
}

/* Is the open directory this one, or below it? */
static bool
is_below(int fd, const char *directory)
{
	struct stat top;
	struct stat st;
	int			at;
	bool		found = false;

	if (stat(directory, &top) != 0)
		return false;
	at = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	while (at >= 0 && !found && fstat(at, &st) == 0)
	{
		struct stat above_st;
		int			above;

		found = st.st_dev == top.st_dev && st.st_ino == top.st_ino;
		above = openat(at, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		close(at);
		at = above;
		/* the root is its own parent */
		if (at >= 0 && fstat(at, &above_st) == 0 &&
			above_st.st_dev == st.st_dev && above_st.st_ino == st.st_ino)
			break;
	}
	if (at >= 0)
		close(at);
	return found;
}

/* Directories that an agent's output must never reach. */
static bool
is_servers(int fd)
{
	return is_below(fd, DataDir) || is_below(fd, vibe_run_directory);
}

/* Copy to a new file in another file system; false with errno. */
static bool
copy_into(int from, int parent, const char *temporary)
{
	char	   *buffer = palloc(COPY_SIZE);
	int			to;
	ssize_t		got = 0;
	int			save_errno;

	(void) unlinkat(parent, temporary, 0);
	to = openat(parent, temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, S_IRUSR | S_IWUSR);
	if (to < 0)
		return false;
	while ((got = read(from, buffer, COPY_SIZE)) > 0)
	{
		ssize_t		put = write(to, buffer, got);

		if (put == got)
			continue;
		errno = put >= 0 ? ENOSPC : errno;
		got = -1;
		break;
	}
	if (got == 0 && (fchmod(to, FILE_MODE) != 0 || fsync(to) != 0))
		got = -1;
	save_errno = errno;
	close(to);
	if (got == 0)
		return true;
	(void) unlinkat(parent, temporary, 0);
	errno = save_errno;
	return false;
}

/*
 * Move the staged file to the target.  May be repeated after a crash at any
 * point: a staged file that is gone has arrived.
 */
bool
vibe_publish(const char *staged, const char *target, char **problem)
{
	int			from = open(staged, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	int			parent;
	char	   *name = NULL;
	struct stat st;
	bool		done = false;

	if (from < 0 && errno == ENOENT)
		return true;
	if (from < 0 || fstat(from, &st) != 0 || !S_ISREG(st.st_mode))
	{
		*problem = psprintf("staged file \"%s\" is not a readable file", staged);
		if (from >= 0)
			close(from);
		return false;
	}
	parent = target[0] == '/' ? open_parent(target, &name, problem) : -1;
	if (parent < 0)
	{
		if (*problem == NULL)
			*problem = psprintf("\"%s\" is not an absolute path", target);
	}
	else if (is_servers(parent))
		*problem = psprintf("\"%s\" lies in a directory of the server", target);
	else
	{
		(void) fchmod(from, FILE_MODE);
		done = renameat(AT_FDCWD, staged, parent, name) == 0;
		if (!done && errno == EXDEV)
		{
			char	   *temporary = psprintf(".%.200s.tmp", name);

			done = copy_into(from, parent, temporary) &&
				renameat(parent, temporary, parent, name) == 0 &&
				unlink(staged) == 0;
		}
		if (!done)
			*problem = psprintf("could not write \"%s\": %s", target, strerror(errno));
	}
	close(from);
	if (parent >= 0)
		close(parent);
	return done;
}
