/*-------------------------------------------------------------------------
 *
 * run_prune.c
 *		Removes files that nobody needs any more.
 *
 * Three reasons: settled runs are older than run_file_retention, or take more
 * than run_files_max together, or belong to runs that the database does not
 * know any more; and workspaces outlive their task by workspace_retention.
 *
 * The dispatcher does this between its turns, so every call is bounded.  What
 * has to go is renamed into trash/ at once, and trash/ is emptied a bounded
 * number of files per call, however many an agent left and however deep.
 *
 * Only directories are touched whose names are numbers, as the dispatcher
 * makes them.  A task or run that the database does not know counts as gone
 * only when the extension has been the same one for a day: while a dump is
 * restored, its tables fill under the eyes of a dispatcher.
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

#include "guc.h"
#include "run_directory.h"
#include "run_prune.h"
#include "utils/memutils.h"
#include "work.h"

#define LOOKS_PER_CALL 500
#define MOVES_PER_CALL 100
#define UNLINKS_PER_CALL 1000
#define MAX_DEPTH 32			/* deeper directories are first moved up */
#define MAX_FILES 100			/* of a run, when their sizes are added up */
#define MAX_OLDEST 4096
#define BLOCK_SIZE 512			/* of st_blocks */
#define NAME_LENGTH 48
#define UNKNOWN_AFTER_S 86400

/* a settled run that may have to make room */
typedef struct Settled
{
	time_t		since;
	int64		bytes;
	char		name[NAME_LENGTH];
} Settled;

/* one walk over done/, across many calls */
typedef struct Round
{
	DIR		   *dir;			/* NULL between rounds */
	Settled    *oldest;			/* the oldest MAX_OLDEST, in any order */
	int			count;
	int			next;			/* the one to go first, once dir is read */
	int64		total;			/* bytes of all */
	bool		evicting;
} Round;

static Round round_of_done;

static bool remove_some(int trash, int parent, const char *name, int depth, int *budget);
static bool empty_trash(void);
static int64 directory_bytes(int parent, const char *name);
static int	compare_settled(const void *a, const void *b);
static void note_settled(const char *name, time_t since, int64 bytes);
static bool evict(void);
static bool prune_done(void);
static int	read_numbers(DIR *dir, int64 *numbers, int max, bool *more);

/* ----- trash ----- */

/*
 * Remove a directory and what is below it, following no link; false when the
 * budget ends first.  A directory that its owner closed is opened: it is ours.
 */
static bool
remove_some(int trash, int parent, const char *name, int depth, int *budget)
{
	const int	flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
	int			fd = openat(parent, name, flags);
	DIR		   *dir;
	struct dirent *entry;

	if (fd < 0 && errno == EACCES && fchmodat(parent, name, S_IRWXU, 0) == 0)
		fd = openat(parent, name, flags);
	if (fd < 0)
		return unlinkat(parent, name, 0) == 0;
	dir = fdopendir(fd);
	if (dir == NULL)
	{
		close(fd);
		return false;
	}
	(void) fchmod(fd, S_IRWXU);
	while (*budget > 0 && (entry = readdir(dir)) != NULL)
	{
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		(*budget)--;
		if (unlinkat(fd, entry->d_name, 0) == 0 || errno != EISDIR)
			continue;
		if (depth < MAX_DEPTH)
			(void) remove_some(trash, fd, entry->d_name, depth + 1, budget);
		else
		{
			struct timespec now;

			clock_gettime(CLOCK_REALTIME, &now);
			(void) renameat(fd, entry->d_name, trash,
							psprintf("deep.%ld%09ld", (long) now.tv_sec, now.tv_nsec));
		}
	}
	closedir(dir);
	return *budget > 0 && unlinkat(parent, name, AT_REMOVEDIR) == 0;
}

/* True if the budget was used up, so that there may be more. */
static bool
empty_trash(void)
{
	static bool said = false;
	DIR		   *dir = opendir(vibe_run_directory_place("trash"));
	struct dirent *entry;
	int			budget = UNLINKS_PER_CALL;

	if (dir == NULL)
		return false;
	while (budget > 0 && (entry = readdir(dir)) != NULL)
	{
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		budget--;
		if (remove_some(dirfd(dir), dirfd(dir), entry->d_name, 0, &budget) || budget <= 0 || said)
			continue;
		said = true;
		ereport(LOG,
				(errcode_for_file_access(),
				 errmsg("could not remove all of \"%s/%s\": %m",
						vibe_run_directory_place("trash"), entry->d_name)));
	}
	closedir(dir);
	return budget <= 0;
}

/* ----- settled runs ----- */

/* What the files of a run take on the disk. */
static int64
directory_bytes(int parent, const char *name)
{
	int			fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR		   *dir = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *entry;
	struct stat st;
	int64		bytes = 0;

	if (dir == NULL)
	{
		if (fd >= 0)
			close(fd);
		return 0;
	}
	for (int i = 0; i < MAX_FILES && (entry = readdir(dir)) != NULL; i++)
	{
		if (strcmp(entry->d_name, "..") != 0 && fstatat(fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0)
			bytes += (int64) st.st_blocks * BLOCK_SIZE;
	}
	closedir(dir);
	return bytes;
}

static int
compare_settled(const void *a, const void *b)
{
	const Settled *left = a;
	const Settled *right = b;

	return left->since < right->since ? -1 : left->since > right->since;
}

/* Remember the oldest: when there are too many, the younger half is let go of. */
static void
note_settled(const char *name, time_t since, int64 bytes)
{
	Round	   *r = &round_of_done;

	if (r->oldest == NULL)
		r->oldest = MemoryContextAlloc(TopMemoryContext, MAX_OLDEST * sizeof(Settled));
	if (r->count == MAX_OLDEST)
	{
		qsort(r->oldest, r->count, sizeof(Settled), compare_settled);
		r->count = MAX_OLDEST / 2;
	}
	r->total += bytes;
	r->oldest[r->count].since = since;
	r->oldest[r->count].bytes = bytes;
	strlcpy(r->oldest[r->count++].name, name, NAME_LENGTH);
}

/* Make room, the oldest first; true if there is more to do. */
static bool
evict(void)
{
	Round	   *r = &round_of_done;
	int64		limit = (int64) vibe_run_files_max * 1024 * 1024;

	for (int moves = 0; moves < MOVES_PER_CALL; moves++)
	{
		if (vibe_run_files_max == 0 || r->total <= limit || r->next == r->count)
		{
			r->evicting = false;
			return false;
		}
		(void) vibe_run_throw_away("done", r->oldest[r->next].name);
		r->total -= r->oldest[r->next++].bytes;
	}
	return true;
}

/* One step of a round over done/; true if the round goes on. */
static bool
prune_done(void)
{
	Round	   *r = &round_of_done;
	time_t		oldest = time(NULL) - vibe_run_file_retention;
	int			moves = 0;

	if (r->evicting)
		return evict();
	if (r->dir == NULL)
	{
		r->dir = opendir(vibe_run_directory_place("done"));
		r->count = r->next = 0;
		r->total = 0;
	}
	if (r->dir == NULL)
		return false;
	for (int looks = 0; looks < LOOKS_PER_CALL && moves < MOVES_PER_CALL; looks++)
	{
		struct dirent *entry = readdir(r->dir);
		struct stat st;

		if (entry == NULL)
		{
			closedir(r->dir);
			r->dir = NULL;
			qsort(r->oldest, r->count, sizeof(Settled), compare_settled);
			r->evicting = true;
			return evict();
		}
		if (entry->d_name[0] < '0' || entry->d_name[0] > '9' || strlen(entry->d_name) >= NAME_LENGTH ||
			fstatat(dirfd(r->dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0)
			continue;
		if (st.st_mtime <= oldest)
		{
			(void) vibe_run_throw_away("done", entry->d_name);
			moves++;
		}
		else if (vibe_run_files_max > 0)
			note_settled(entry->d_name, st.st_mtime, directory_bytes(dirfd(r->dir), entry->d_name));
	}
	return true;
}

/* A bounded step of what needs no database; true if there is more to do. */
bool
vibe_prune(void)
{
	bool		more = prune_done();

	return empty_trash() || more;
}

/* ----- what the database knows ----- */

/* The next numbers that are names in a directory; *more if it goes on. */
static int
read_numbers(DIR *dir, int64 *numbers, int max, bool *more)
{
	struct dirent *entry = NULL;
	int			count = 0;

	for (int looks = 0; looks < 2 * max && count < max && (entry = readdir(dir)) != NULL; looks++)
	{
		size_t		digits = strspn(entry->d_name, "0123456789");

		if (digits > 0 && digits <= 18 && entry->d_name[digits] == '\0')
			numbers[count++] = strtoll(entry->d_name, NULL, 10);
	}
	*more = entry != NULL;
	return count;
}

/*
 * Throw away a batch of workspaces, or of files of runs, that the database does
 * not need; true if there is more to look at.  Nothing is claimed between the
 * question and the move: both are the dispatcher's.
 */
bool
vibe_prune_unneeded(void)
{
	static const char *const places[] = {"workspaces", "done"};
	static int	place = 0;
	static DIR *dir = NULL;
	int64		numbers[LOOKS_PER_CALL];
	int64	   *unneeded;
	int			count;
	bool		more = false;
	bool		unknown = vibe_run_directory_age() >= UNKNOWN_AFTER_S;

	if (dir == NULL)
		dir = opendir(vibe_run_directory_place(places[place]));
	count = dir != NULL ? read_numbers(dir, numbers, lengthof(numbers), &more) : 0;
	if (count > 0 && (place == 0 || unknown) &&
		vibe_work_unneeded(place == 0, numbers, count, vibe_workspace_retention, unknown, &unneeded, &count))
	{
		for (int i = 0; i < count; i++)
			(void) vibe_run_throw_away(places[place], psprintf(INT64_FORMAT, unneeded[i]));
	}
	if (more)
		return true;
	if (dir != NULL)
		closedir(dir);
	dir = NULL;
	place = (place + 1) % lengthof(places);
	return place != 0;
}
