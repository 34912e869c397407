/*-------------------------------------------------------------------------
 *
 * trusted_file.c
 *		Reads a file that only root or the server can have written.
 *
 * Checking a path and then opening it leaves a moment in between.  So the way
 * is walked by descriptor, from the root, following no link, and what is
 * checked is what has been opened.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mb/pg_wchar.h"
#include "trusted_file.h"

#define MAX_FILE_SIZE (256 * 1024)

static int	open_checked(const char *path, char **problem);
static char *check_owner(int fd, bool directory);

/*
 * Why this open file or directory cannot be trusted, or NULL.  A directory
 * that anybody may write to is accepted if it is sticky: nobody but the owner
 * of the next component, which is checked in turn, can replace that.
 */
static char *
check_owner(int fd, bool directory)
{
	struct stat st;

	if (fstat(fd, &st) != 0)
		return psprintf("could not be examined: %s", strerror(errno));
	if (st.st_uid != 0 && st.st_uid != geteuid())
		return pstrdup("belongs to neither root nor the server's user");
	if (!directory && !S_ISREG(st.st_mode))
		return pstrdup("is not a regular file");
	if ((st.st_mode & (S_IWGRP | S_IWOTH)) != 0 &&
		!(directory && (st.st_mode & S_ISVTX) != 0))
		return pstrdup("can be written by group or others");
	if (!directory && st.st_size > MAX_FILE_SIZE)
		return psprintf("is larger than %d bytes", MAX_FILE_SIZE);
	return NULL;
}

/* Open a file by walking to it, following no link; -1 and a problem if not. */
static int
open_checked(const char *path, char **problem)
{
	char	   *copy = pstrdup(path);
	char	   *next = copy;
	int			fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	while (fd >= 0)
	{
		char	   *name;
		int			below;
		bool		last;
		char	   *reason;

		while (*next == '/')
			next++;
		name = next;
		next += strcspn(next, "/");
		last = *next == '\0';
		if (!last)
			*next++ = '\0';

		/* not blocking: the name could be a fifo */
		below = openat(fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC |
					   (last ? 0 : O_DIRECTORY));
		if (below < 0)
		{
			struct stat st;
			int			save_errno = errno;
			bool		link = fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(st.st_mode);

			*problem = psprintf("\"%.*s\" %s%s", (int) (name + strlen(name) - copy), path,
								link ? "is a symbolic link" : "could not be opened: ",
								link ? "" : strerror(save_errno));
			break;
		}
		close(fd);
		fd = below;
		reason = check_owner(fd, !last);
		if (reason != NULL)
		{
			*problem = psprintf("\"%.*s\" %s", (int) (name + strlen(name) - copy), path, reason);
			break;
		}
		if (last)
		{
			pfree(copy);
			return fd;
		}
	}
	if (fd >= 0)
		close(fd);
	else
		*problem = psprintf("could not open the root directory: %s", strerror(errno));
	pfree(copy);
	return -1;
}

/* The whole UTF-8 text of the file, or NULL and a problem. */
char *
vibe_trusted_file_read(const char *path, char **problem)
{
	int			fd = open_checked(path, problem);
	char	   *text;
	ssize_t		got;
	size_t		length = 0;

	if (fd < 0)
		return NULL;
	text = palloc(MAX_FILE_SIZE + 1);
	do
	{
		got = read(fd, text + length, MAX_FILE_SIZE - length);
		if (got > 0)
			length += got;
	} while (got > 0 || (got < 0 && errno == EINTR));
	if (got < 0)
		*problem = psprintf("could not be read: %s", strerror(errno));
	close(fd);
	if (got < 0)
		return NULL;
	text[length] = '\0';
	if (strlen(text) != length || pg_encoding_verifymbstr(PG_UTF8, text, length) != length)
	{
		*problem = pstrdup("is not UTF-8 text");
		return NULL;
	}
	return text;
}
