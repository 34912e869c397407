/*-------------------------------------------------------------------------
 *
 * run_directory.c
 *		The directory that dispatcher and shims share.
 *
 * A run's directory is the only thing that both a dispatcher and its
 * successor see of an agent, so its names carry the protocol: "launch" says
 * what to do, "started" whose run it is, "exit" how it ended.  Files appear by
 * rename or link, never half written.
 *
 * The lock on "alive" belongs to the open file, not to the process: children
 * that were forked elsewhere in this process cannot drop it, and the kernel
 * does when the last descriptor goes, however the dispatcher ends.  It keeps
 * two servers out of one directory and tells the shims that somebody is there
 * to read their results.
 *
 * Nothing here uses the database.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "access/xlog.h"
#include "miscadmin.h"
#include "guc.h"
#include "run_directory.h"

static char base[MAXPGPATH] = "";
static char alive_path[MAXPGPATH] = "";
static int	alive_fd = -1;

static bool make_directory(const char *path);
static char *check_root(const char *root);
static bool lock_alive(char **problem);
static bool write_file(const char *path, const char *data, size_t length);
static char *read_file(const char *path, size_t max, size_t *length);
static void append_name(StringInfo path, const char *name);

/* ----- the directory as a whole ----- */

static bool
make_directory(const char *path)
{
	return mkdir(path, S_IRWXU) == 0 || errno == EEXIST;
}

/* Why this cannot be the parent of run directories, or NULL. */
static char *
check_root(const char *root)
{
	struct stat st;
	char	   *real;
	char	   *data;
	bool		inside;

	if (!make_directory(root) || stat(root, &st) != 0)
		return psprintf("could not be used: %s", strerror(errno));
	if (!S_ISDIR(st.st_mode))
		return pstrdup("is not a directory");
	if (st.st_uid != geteuid())
		return pstrdup("does not belong to the server's user");
	if ((st.st_mode & (S_IWGRP | S_IWOTH)) != 0)
		return pstrdup("can be written by group or others");

	/* agents work below it, and must not be able to write into the data */
	real = realpath(root, NULL);
	data = realpath(DataDir, NULL);
	inside = real != NULL && data != NULL &&
		strncmp(real, data, strlen(data)) == 0 &&
		(real[strlen(data)] == '/' || real[strlen(data)] == '\0');
	free(real);
	free(data);
	return inside ? pstrdup("lies inside the data directory") : NULL;
}

static bool
lock_alive(char **problem)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

	alive_fd = open(alive_path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, S_IRUSR | S_IWUSR);
	if (alive_fd < 0)
	{
		*problem = psprintf("could not open \"%s\": %s", alive_path, strerror(errno));
		return false;
	}
	if (fcntl(alive_fd, F_OFD_SETLK, &lock) == 0)
		return true;
	if (errno == EAGAIN || errno == EACCES)
		*problem = psprintf("run directory \"%s\" is in use by another server", base);
	else
		*problem = psprintf("could not lock \"%s\": %s", alive_path, strerror(errno));
	close(alive_fd);
	alive_fd = -1;
	return false;
}

/*
 * Say where the directory of this database is, whether it is there or not.
 * This is all that a session needs which only looks at files of runs.
 */
bool
vibe_run_directory_locate(Oid database)
{
	/* leave room for the names below it */
	if (vibe_run_directory == NULL || strlen(vibe_run_directory) > MAXPGPATH - 256)
		return false;
	snprintf(base, sizeof(base), "%s/" UINT64_FORMAT "-%u", vibe_run_directory,
			 GetSystemIdentifier(), database);
	return true;
}

/* Make, check and lock the directory of this database. */
bool
vibe_run_directory_open(Oid database, char **problem)
{
	static const char *const below[] = {"runs", "done", "workspaces", "trash"};
	char	   *reason;

	if (alive_fd >= 0)
		return true;
	reason = check_root(vibe_run_directory);
	if (reason != NULL)
	{
		*problem = psprintf("run directory \"%s\" %s", vibe_run_directory, reason);
		return false;
	}
	if (!vibe_run_directory_locate(database))
	{
		*problem = pstrdup("the path of the run directory is too long");
		return false;
	}
	snprintf(alive_path, sizeof(alive_path), "%.*s/alive", (int) sizeof(alive_path) - 16, base);
	if (!make_directory(base))
	{
		*problem = psprintf("could not create directory \"%s\": %s", base, strerror(errno));
		return false;
	}
	for (int i = 0; i < lengthof(below); i++)
	{
		char	   *path = psprintf("%s/%s", base, below[i]);

		if (!make_directory(path))
		{
			*problem = psprintf("could not create directory \"%s\": %s", path, strerror(errno));
			return false;
		}
	}
	return lock_alive(problem);
}

/* Also called while the process exits, so that a successor finds it free. */
void
vibe_run_directory_close(void)
{
	if (alive_fd >= 0)
		close(alive_fd);
	alive_fd = -1;
}

bool
vibe_run_directory_is_open(void)
{
	return alive_fd >= 0;
}

/* The path of one of the directories below it; palloc'd. */
char *
vibe_run_directory_place(const char *place)
{
	return psprintf("%s/%s", base, place);
}

const char *
vibe_run_directory_base(void)
{
	return base;
}

/* For how many seconds the directory has belonged to this extension; 0 if that is not known. */
int64
vibe_run_directory_age(void)
{
	struct stat st;

	if (stat(psprintf("%s/extension", base), &st) != 0)
		return 0;
	return Max((int64) (time(NULL) - st.st_mtime), 0);
}

const char *
vibe_run_directory_alive(void)
{
	return alive_path;
}

/*
 * Do the runs in here belong to this incarnation of the extension?  Run ids
 * begin at 1 again when it was dropped and created: the runs of the old one
 * must not be taken for those of the new one.
 */
bool
vibe_run_directory_is_of(Oid extension)
{
	size_t		length;
	char	   *text = read_file(psprintf("%s/extension", base), 64, &length);

	return text != NULL && strtoul(text, NULL, 10) == extension;
}

bool
vibe_run_directory_mark_of(Oid extension)
{
	char	   *text = psprintf("%u\n", extension);

	return write_file(psprintf("%s/extension", base), text, strlen(text));
}

/* ----- one run ----- */

/* The path of a file of a run, or of its directory if file is NULL; palloc'd. */
char *
vibe_run_path(int64 run_id, const char *file)
{
	if (file == NULL)
		return psprintf("%s/runs/" INT64_FORMAT, base, run_id);
	return psprintf("%s/runs/" INT64_FORMAT "/%s", base, run_id, file);
}

/*
 * Branch and agent names are data: what is not plainly harmless in a path is
 * written as =XX, so two names never share a directory.
 */
static void
append_name(StringInfo path, const char *name)
{
	for (const char *c = name; *c != '\0'; c++)
	{
		bool		plain = (*c >= 'A' && *c <= 'Z') || (*c >= 'a' && *c <= 'z') ||
		(*c >= '0' && *c <= '9') || *c == '_' || *c == '-' || (*c == '.' && c != name);

		if (plain)
			appendStringInfoChar(path, *c);
		else
			appendStringInfo(path, "=%02x", (unsigned char) *c);
	}
}

/* The workspace of a task (or an agent's heartbeat) and branch; '' is main. */
char *
vibe_run_workspace(const char *owner, const char *branch)
{
	StringInfoData path;

	initStringInfo(&path);
	appendStringInfo(&path, "%s/workspaces/", base);
	append_name(&path, owner);
	appendStringInfoChar(&path, '/');
	if (branch[0] == '\0')
		appendStringInfoString(&path, "main");
	else if (strcmp(branch, "main") == 0)
		appendStringInfoString(&path, "=6dain");
	else
		append_name(&path, branch);
	return path.data;
}

/*
 * Open the directory of a run, where it works or where it was put away; -1 if
 * there is none.  No link is followed below the directory of the database.
 */
int
vibe_run_open(int64 run_id)
{
	const int	flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
	static const char *const places[] = {"runs", "done"};
	char		name[32];
	int			top = open(base, flags);
	int			fd = -1;

	snprintf(name, sizeof(name), INT64_FORMAT, run_id);
	/* it moves from the first to the second, and never back */
	for (int i = 0; top >= 0 && fd < 0 && i < lengthof(places); i++)
	{
		int			place = openat(top, places[i], flags);

		if (place < 0)
			continue;
		fd = openat(place, name, flags);
		close(place);
	}
	if (top >= 0)
		close(top);
	return fd;
}

bool
vibe_run_exists(int64 run_id)
{
	struct stat st;

	return lstat(vibe_run_path(run_id, NULL), &st) == 0 || errno != ENOENT;
}

/*
 * Make a directory for the next run, whichever it will be, with empty files for
 * what the dispatcher and its shim will write: making files is the slow part of a
 * launch.  Without them they are made when they are written.
 */
void
vibe_run_prepare_next(void)
{
	static const char *const files[] = {"launch.tmp", "input.json", "token", "exit.tmp"};
	char	   *next = vibe_run_directory_place("next");

	if (mkdir(next, S_IRWXU) != 0)
		return;
	for (int i = 0; i < lengthof(files); i++)
	{
		int			fd = open(psprintf("%s/%s", next, files[i]),
							  O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, S_IRUSR | S_IWUSR);

		if (fd >= 0)
			close(fd);
	}
}

/*
 * A directory for a new run, in which nothing is written yet; what has its name
 * is put away first.
 */
bool
vibe_run_prepare(int64 run_id)
{
	char	   *path = vibe_run_path(run_id, NULL);

	/* over another one only if that is empty */
	if (rename(vibe_run_directory_place("next"), path) == 0)
		return true;

	if (mkdir(path, S_IRWXU) == 0)
		return true;
	return errno == EEXIST && vibe_run_put_away(run_id, true) && mkdir(path, S_IRWXU) == 0;
}

/* Make a workspace and the directory above it. */
bool
vibe_run_make_workspace(const char *path)
{
	char	   *above = pstrdup(path);

	*strrchr(above, '/') = '\0';
	return make_directory(above) && make_directory(path);
}

/* Write a file so that it appears whole or not at all; errno on failure. */
static bool
write_file(const char *path, const char *data, size_t length)
{
	char	   *temporary = psprintf("%s.tmp", path);
	int			fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW,
						  S_IRUSR | S_IWUSR);
	size_t		written = 0;
	int			save_errno;

	if (fd < 0)
		return false;
	while (written < length)
	{
		ssize_t		rc = write(fd, data + written, length - written);

		if (rc < 0 && errno == EINTR)
			continue;
		if (rc <= 0)
			break;
		written += rc;
	}
	save_errno = written < length && errno == 0 ? ENOSPC : errno;
	if (close(fd) == 0 && written == length && rename(temporary, path) == 0)
		return true;
	if (written == length)
		save_errno = errno;
	(void) unlink(temporary);
	errno = save_errno;
	return false;
}

/*
 * The content of a regular file, with a zero byte after it; NULL with errno
 * if there is none.  ENOENT and EFBIG (larger than max) have their meaning.
 */
static char *
read_file(const char *path, size_t max, size_t *length)
{
	int			fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct stat st;
	char	   *data;
	int			save_errno = 0;

	if (fd < 0)
		return NULL;
	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || st.st_size > (off_t) max)
	{
		close(fd);
		errno = EFBIG;
		return NULL;
	}
	data = palloc(st.st_size + 1);
	*length = 0;
	while (*length < (size_t) st.st_size)
	{
		ssize_t		rc = read(fd, data + *length, st.st_size - *length);

		if (rc < 0 && errno == EINTR)
			continue;
		if (rc < 0)
			save_errno = errno;
		if (rc <= 0)
			break;
		*length += rc;
	}
	close(fd);
	data[*length] = '\0';
	errno = save_errno;
	return save_errno == 0 ? data : NULL;
}

bool
vibe_run_write(int64 run_id, const char *file, const char *data, size_t length)
{
	return write_file(vibe_run_path(run_id, file), data, length);
}

char *
vibe_run_read(int64 run_id, const char *file, size_t max, size_t *length)
{
	return read_file(vibe_run_path(run_id, file), max, length);
}

/*
 * Decide whether a run that has no "started" may still start.
 *
 * The shim links its own file to that name before it starts an agent; we link
 * ours.  link() never replaces a name, so exactly one of the two succeeds, in
 * whatever order and however slowly they come.  (rename() would replace it
 * and let both go on.)
 */
VibeArbitration
vibe_run_abandon(int64 run_id)
{
	static const char text[] = "{\"abandoned\":true}\n";
	char	   *own = vibe_run_path(run_id, "abandoned");

	if (!write_file(own, text, sizeof(text) - 1))
		return RUN_UNDECIDED;
	if (link(own, vibe_run_path(run_id, "started")) == 0)
		return RUN_ABANDONED;
	return errno == EEXIST ? RUN_TAKEN : RUN_UNDECIDED;
}

/*
 * Move a settled run from runs/ to done/, or remove it.  An older run of the
 * same number (of an extension that was dropped) makes room under another
 * name.  A run without a directory is put away already.
 */
bool
vibe_run_put_away(int64 run_id, bool keep)
{
	char	   *from = vibe_run_path(run_id, NULL);
	char	   *to = psprintf("%s/done/" INT64_FORMAT, base, run_id);
	struct timespec now;

	/* its age counts from here */
	if (utimensat(AT_FDCWD, from, NULL, AT_SYMLINK_NOFOLLOW) != 0 && errno == ENOENT)
		return true;
	if (!keep)
		return vibe_run_throw_away("runs", psprintf(INT64_FORMAT, run_id));
	if (rename(from, to) == 0)
		return true;
	if (errno != ENOTEMPTY && errno != EEXIST)
		return false;
	clock_gettime(CLOCK_REALTIME, &now);
	return rename(to, psprintf("%s.%ld%09ld", to, (long) now.tv_sec, now.tv_nsec)) == 0 &&
		rename(from, to) == 0;
}

/*
 * Take a directory out of the way: it is moved to trash/, under a name of its
 * own, and removed from there bit by bit (run_prune.c).
 */
bool
vibe_run_throw_away(const char *place, const char *name)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return rename(psprintf("%s/%s/%s", base, place, name),
				  psprintf("%s/trash/%s-%.200s.%ld%09ld", base, place, name,
						   (long) now.tv_sec, now.tv_nsec)) == 0 ||
		errno == ENOENT;
}

/* The numbers of all directories in runs/; palloc'd. */
int64 *
vibe_run_list(int *count)
{
	DIR		   *dir = opendir(psprintf("%s/runs", base));
	struct dirent *entry;
	int			size = 64;
	int64	   *ids = palloc(size * sizeof(int64));

	*count = 0;
	if (dir == NULL)
		return ids;
	while ((entry = readdir(dir)) != NULL)
	{
		size_t		digits = strspn(entry->d_name, "0123456789");

		if (digits == 0 || digits > 18 || entry->d_name[digits] != '\0')
			continue;
		if (*count == size)
		{
			size *= 2;
			ids = repalloc_huge(ids, size * sizeof(int64));
		}
		ids[(*count)++] = strtoll(entry->d_name, NULL, 10);
	}
	closedir(dir);
	return ids;
}
