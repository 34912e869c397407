/*
 * workspace.c
 *		The directories and files of one run on the agent's side.
 *
 * Everything below the workspace belongs to agents, earlier ones included, so
 * no name in there is trusted: directories are made and files are opened one
 * path component at a time, without following links.  A file is first opened
 * as a mere name (O_PATH), looked at, and only opened for reading when it is a
 * regular file: a fifo cannot make us wait and a device is never touched.
 *
 * Few files are made for a run and none of them is removed with it: file
 * systems take longer to make a file the more were removed of late, and that
 * time stands between one agent and the next.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "workspace.h"

/*
 * mkdir -p, mode 0700, for a path whose parents are ours.  Mostly it is there:
 * the dispatcher made it, or an earlier step.
 */
static int
directory_make(const char *path, char **problem)
{
	const int	flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
	int			fd = open(path, flags);
	char	   *copy;

	if (fd >= 0)
		return fd;
	copy = text_copy(path);
	for (char *slash = strchr(copy + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/'))
	{
		*slash = '\0';
		mkdir(copy, 0700);
		*slash = '/';
	}
	mkdir(copy, 0700);
	free(copy);
	fd = open(path, flags);
	if (fd < 0)
		*problem = text_format("cannot make directory \"%s\": %s", path, strerror(errno));
	return fd;
}

/*
 * Walks to the last component of a relative path and returns the descriptor of
 * its directory, -1 with errno otherwise.  The caller closes it.
 */
static int
walk_to_parent(int dir_fd, char *path, bool make, char **last)
{
	int			fd = fcntl(dir_fd, F_DUPFD_CLOEXEC, 3);
	char	   *save = NULL;
	char	   *part = strtok_r(path, "/", &save);

	while (fd >= 0 && part != NULL)
	{
		char	   *following = strtok_r(NULL, "/", &save);
		int			next;

		if (strcmp(part, "..") == 0)
		{
			close(fd);
			errno = EXDEV;
			return -1;
		}
		if (following == NULL)
			break;
		if (make)
			mkdirat(fd, part, 0700);
		next = openat(fd, part, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		close(fd);
		fd = next;
		part = following;
	}
	*last = part;
	return fd;
}

static bool
make_beneath(int dir_fd, const char *path, char **problem)
{
	char	   *copy = text_copy(path);
	char	   *last = NULL;
	int			fd = walk_to_parent(dir_fd, copy, true, &last);
	struct stat info;
	bool		made = fd >= 0;

	if (made && last != NULL)
	{
		mkdirat(fd, last, 0700);
		made = fstatat(fd, last, &info, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(info.st_mode);
	}
	if (!made)
		*problem = text_format("cannot make output directory \"%s\" in the workspace: %s",
							   path, strerror(errno ? errno : ENOTDIR));
	if (fd >= 0)
		close(fd);
	free(copy);
	return made;
}

/*
 * An empty file to write: one that was made before there was anything to write
 * into it, else a new one.  -1 if there can be none.
 */
int
file_open_empty(int dir_fd, const char *name)
{
	int			fd = openat(dir_fd, name, O_WRONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct stat info;

	if (fd >= 0 && fstat(fd, &info) == 0 && S_ISREG(info.st_mode) && info.st_size == 0 &&
		info.st_nlink == 1 && info.st_uid == geteuid() && (info.st_mode & 077) == 0)
		return fd;
	if (fd >= 0)
		close(fd);
	unlinkat(dir_fd, name, 0);
	return openat(dir_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
}

static bool
file_write(int dir_fd, const char *name, const char *bytes, size_t length, char **problem)
{
	int			fd = file_open_empty(dir_fd, name);
	size_t		done = 0;

	while (fd >= 0 && done < length)
	{
		ssize_t		written = write(fd, bytes + done, length - done);

		if (written <= 0)
			break;
		done += written;
	}
	if (fd < 0 || done < length)
		*problem = text_format("cannot write \"%s\": %s", name, strerror(errno));
	if (fd >= 0)
		close(fd);
	return done == length && fd >= 0;
}

/* What an agent of kind vibe reads on its stdin, and every agent at VIBE_INPUT. */
json_t *
place_input(const Launch *launch)
{
	static const char *const copied[] = {
		"contract", "kind", "run_id", "task_id", "step", "attempt", "prompt",
		"inputs", "revision_notes", "resume_session"
	};
	static const char *const optional[] = {"note", "channel", "messages"};
	json_t	   *input = json_object();
	json_t	   *limits = json_object();
	json_t	   *budget = json_object_get(launch->run, "budget_usd");

	for (size_t i = 0; i < sizeof(copied) / sizeof(copied[0]); i++)
	{
		json_t	   *value = json_object_get(launch->run, copied[i]);

		if (value != NULL)
			json_object_set(input, copied[i], value);
		else
			json_object_set_new(input, copied[i], json_null());
	}
	for (size_t i = 0; i < sizeof(optional) / sizeof(optional[0]); i++)
	{
		json_t	   *value = json_object_get(launch->run, optional[i]);

		if (value != NULL && !json_is_null(value))
			json_object_set(input, optional[i], value);
	}
	json_object_set_new(limits, "timeout_s", json_integer((json_int_t) launch->times.total));
	json_object_set_new(limits, "idle_s", json_integer((json_int_t) launch->times.idle));
	if (budget != NULL)
		json_object_set(limits, "budget_usd", budget);
	else
		json_object_set_new(limits, "budget_usd", json_null());
	json_object_set_new(input, "limits", limits);
	return input;
}

static bool
place_write_files(Place *place, const Launch *launch, char **problem)
{
	json_t	   *input = place_input(launch);
	char	   *text = json_dumps(input, JSON_COMPACT | JSON_REAL_PRECISION(15));
	bool		written;

	written = text != NULL &&
		file_write(place->agent_dir_fd, "input.json", text, strlen(text), problem);
	if (written && launch->token != NULL)
		written = file_write(place->agent_dir_fd, "token", launch->token,
							 strlen(launch->token), problem);
	mkdir(place->tmp_dir, 0700);
	unlinkat(place->agent_dir_fd, "result", 0);
	free(text);
	json_decref(input);
	return written;
}

/*
 * The last two names of the dispatcher's workspace: whose it is (a task, or the
 * agent of a heartbeat) and the branch.  The dispatcher has made each of them
 * one harmless file name; what is none all the same is replaced.
 */
static char *
workspace_name(const Launch *launch)
{
	const char *branch = strrchr(launch->workspace, '/') + 1;
	const char *owner = branch - 1;
	int			length;

	while (owner > launch->workspace && owner[-1] != '/')
		owner--;
	length = (int) (branch - 1 - owner);
	if (length <= 0 || owner[0] == '.')
	{
		owner = "none";
		length = 4;
	}
	if (branch[0] == '\0' || strcmp(branch, ".") == 0 || strcmp(branch, "..") == 0)
		branch = "main";
	return text_format("%.*s/%s", length, owner, branch);
}

/*
 * Where another user keeps its runs: the runner's workspace_root, else a
 * directory in that user's home.
 */
static bool
place_name_own(Place *place, const Launch *launch, char **problem)
{
	struct passwd *user = getpwuid(geteuid());
	char	   *name;
	char	   *root;

	if (launch->workspace_root != NULL)
		root = text_copy(launch->workspace_root);
	else if (user != NULL && user->pw_dir != NULL && user->pw_dir[0] == '/')
		root = text_format("%s/vibe_orchestrator", user->pw_dir);
	else
	{
		*problem = text_copy("agent's user has no home directory: set workspace_root for this runner");
		return false;
	}
	name = workspace_name(launch);
	place->workspace = text_format("%s/workspaces/%s", root, name);
	place->agent_dir = text_format("%s/runs/%s", root, launch->run_id);
	place->own_agent_dir = true;
	free(name);
	free(root);
	return true;
}

bool
place_make(Place *place, const Launch *launch, const char *run_dir,
		   bool other_user, char **problem)
{
	char	   *output_name;

	place->workspace_fd = -1;
	place->agent_dir_fd = -1;
	if (other_user)
	{
		if (!place_name_own(place, launch, problem))
			return false;
	}
	else
	{
		place->workspace = text_copy(launch->workspace);
		place->agent_dir = text_copy(run_dir);
	}
	place->workspace_fd = directory_make(place->workspace, problem);
	if (place->workspace_fd < 0)
		return false;
	place->agent_dir_fd = directory_make(place->agent_dir, problem);
	if (place->agent_dir_fd < 0)
		return false;
	if (launch->output_dir != NULL && launch->output_dir[0] != '\0')
	{
		if (!make_beneath(place->workspace_fd, launch->output_dir, problem))
			return false;
		place->output_dir = text_format("%s/%s", place->workspace, launch->output_dir);
	}
	else
		place->output_dir = text_copy(place->workspace);
	place->tmp_dir = text_format("%.*s/.tmp-%s", (int) (strrchr(place->workspace, '/') - place->workspace),
								 place->workspace, strrchr(place->workspace, '/') + 1);
	output_name = launch_output_name(launch);
	if (output_name != NULL)
		place->output_file = text_format("%s/%s", place->workspace, output_name);
	free(output_name);
	return place_write_files(place, launch, problem);
}

static int
remove_entry(const char *path, const struct stat *info, int type, struct FTW *walk)
{
	(void) info;
	(void) type;
	(void) walk;
	remove(path);
	return 0;
}

static bool
directory_is_empty(const char *path)
{
	DIR		   *directory = opendir(path);
	struct dirent *entry;
	bool		empty = true;

	while (directory != NULL && empty && (entry = readdir(directory)) != NULL)
		empty = strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0;
	if (directory != NULL)
		closedir(directory);
	return empty;
}

/*
 * The run is over and its tree is dead: the token is worthless, scratch files
 * go.  The result stays for people where the run directory is the dispatcher's.
 */
void
place_clean(Place *place)
{
	int			token;

	if (place->agent_dir_fd < 0)
		return;
	if (place->tmp_dir != NULL && !directory_is_empty(place->tmp_dir))
		nftw(place->tmp_dir, remove_entry, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
	if (place->own_agent_dir)
	{
		nftw(place->agent_dir, remove_entry, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
		return;
	}
	token = openat(place->agent_dir_fd, "token", O_WRONLY | O_TRUNC | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (token >= 0)
		close(token);
}

static bool
file_take(int path_fd, off_t limit, Buffer *content, char **problem)
{
	struct stat info;
	char		name[64];
	ssize_t		got = 0;
	int			fd;

	if (fstat(path_fd, &info) < 0 || !S_ISREG(info.st_mode))
	{
		*problem = text_copy("is not a regular file");
		return false;
	}
	if (info.st_size > limit)
	{
		*problem = text_format("is larger than %lld bytes", (long long) limit);
		return false;
	}
	snprintf(name, sizeof(name), "/proc/self/fd/%d", path_fd);
	fd = open(name, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd >= 0)
	{
		buffer_reserve(content, info.st_size + 1);
		while (content->length < (size_t) info.st_size &&
			   (got = read(fd, content->data + content->length,
						   info.st_size - content->length)) > 0)
			content->length += got;
	}
	if (fd < 0 || got < 0)
		*problem = text_format("cannot be read: %s", strerror(errno));
	if (fd >= 0)
		close(fd);
	return fd >= 0 && got >= 0;
}

/*
 * Reads a regular file beneath a directory.  On failure *problem completes the
 * sentence "file ..."; a file that is not there leaves errno at ENOENT.
 */
bool
file_read_beneath(int dir_fd, const char *path, off_t limit, Buffer *content, char **problem)
{
	char	   *copy = text_copy(path);
	char	   *last = NULL;
	int			parent = walk_to_parent(dir_fd, copy, false, &last);
	int			fd = -1;
	int			error;
	bool		taken = false;

	if (parent >= 0 && last == NULL)
		errno = ENOENT;
	else if (parent >= 0)
		fd = openat(parent, last, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	error = errno;
	if (fd < 0)
		*problem = text_format("cannot be opened: %s", strerror(error));
	else
	{
		taken = file_take(fd, limit, content, problem);
		close(fd);
		error = 0;
	}
	if (parent >= 0)
		close(parent);
	free(copy);
	errno = error;
	return taken;
}

/* Agents name files relative to the workspace or absolutely: both are taken. */
bool
place_read_output(const Place *place, const char *path, Buffer *content, char **problem)
{
	size_t		length = strlen(place->workspace);

	if (strncmp(path, place->workspace, length) == 0 && path[length] == '/')
		path += length + 1;
	else if (path[0] == '/')
	{
		*problem = text_copy("lies outside the workspace");
		errno = EXDEV;
		return false;
	}
	return file_read_beneath(place->workspace_fd, path, OUTPUT_FILE_LIMIT, content, problem);
}

/*
 * Makes an output file, unless there is one that an agent wrote.  Workspaces stay
 * from one attempt to the next, and the text of an earlier one must not stand for
 * this one's; but an agent that said "it is done already" must not lose its file
 * to that sentence.  So our own files are told from an agent's by a time of
 * modification without fractions of a second.
 */
void
place_store_output(const Place *place, const char *path, const char *bytes, size_t length)
{
	const struct timespec times[2] = {{.tv_sec = time(NULL)}, {.tv_sec = time(NULL)}};
	char	   *copy = text_copy(path);
	char	   *last = NULL;
	int			parent = walk_to_parent(place->workspace_fd, copy, true, &last);
	struct stat info;
	char	   *problem = NULL;
	bool		free_place = false;

	if (parent >= 0 && last != NULL)
	{
		if (fstatat(parent, last, &info, AT_SYMLINK_NOFOLLOW) < 0)
			free_place = errno == ENOENT;
		else
			free_place = S_ISREG(info.st_mode) && info.st_mtim.tv_nsec == 0;
	}
	if (free_place && file_write(parent, last, bytes, length, &problem))
		utimensat(parent, last, times, AT_SYMLINK_NOFOLLOW);
	else if (free_place)
		unlinkat(parent, last, 0);
	if (parent >= 0)
		close(parent);
	free(problem);
	free(copy);
}
