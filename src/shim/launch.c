/*
 * launch.c
 *		Reads and checks the launch record: what to run, and within what.
 *
 * The dispatcher writes it, so a wrong one is a bug or a version that differs;
 * it is still checked in full here, since an inner shim gets it from outside.
 * Unknown keys are left alone: protocol 1 may grow.
 */
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "buffer.h"
#include "frame.h"
#include "launch.h"

#define LAUNCH_LIMIT ((off_t) 16 * 1024 * 1024)
#define JSON_DEPTH 90			/* the server's own limit is 100, and we wrap once or twice */
#define DAY 86400.0

/*
 * How deep a JSON text nests.  Looked at before parsing, because the parser
 * recurses.
 */
static int
json_depth(const char *text, size_t length)
{
	int			depth = 0;
	int			deepest = 0;
	bool		in_string = false;

	for (size_t i = 0; i < length; i++)
	{
		char		c = text[i];

		if (in_string && c == '\\')
			i++;
		else if (c == '"')
			in_string = !in_string;
		else if (in_string)
			continue;
		else if (c == '{' || c == '[')
			depth++;
		else if (c == '}' || c == ']')
			depth--;
		if (depth > deepest)
			deepest = depth;
	}
	return deepest;
}

json_t *
json_parse(const char *text, size_t length, char **problem)
{
	json_error_t error;
	json_t	   *value = NULL;

	if (json_depth(text, length) > JSON_DEPTH)
		*problem = text_format("JSON is nested deeper than %d levels", JSON_DEPTH);
	else if ((value = json_loadb(text, length, 0, &error)) == NULL)
		*problem = text_format("JSON cannot be read: %s", error.text);
	return value;
}

const char *
json_text(json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key));
}

/* A duration; anything but a number from 0 to a year counts as not given. */
double
json_seconds(json_t *object, const char *key, double otherwise)
{
	json_t	   *value = json_object_get(object, key);
	double		seconds = json_number_value(value);

	if (!json_is_number(value) || !isfinite(seconds) || seconds < 0 || seconds > 366 * DAY)
		return otherwise;
	return seconds;
}

/* An amount of money; anything but a number from 0 to 10^12 counts as not given. */
double
json_amount(json_t *object, const char *key)
{
	json_t	   *value = json_object_get(object, key);
	double		amount = json_number_value(value);

	return json_is_number(value) && amount > 0 && amount <= 1e12 ? amount : 0;
}

static rlim_t
json_limit(json_t *object, const char *key)
{
	json_int_t	value = json_integer_value(json_object_get(object, key));

	return value > 0 ? (rlim_t) value : 0;
}

json_t *
launch_read(int dir_fd, char **problem)
{
	struct stat info;
	Buffer		text = {0};
	json_t	   *document = NULL;
	int			fd = openat(dir_fd, "launch", O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0 || fstat(fd, &info) < 0)
		*problem = text_format("cannot open the launch record: %s", strerror(errno));
	else if (!S_ISREG(info.st_mode) || info.st_uid != geteuid())
		*problem = text_copy("launch record is not a regular file of the shim's own user");
	else if (info.st_size > LAUNCH_LIMIT)
		*problem = text_copy("launch record is larger than 16 MiB");
	else
	{
		ssize_t		got;

		buffer_reserve(&text, info.st_size + 1);
		while ((got = read(fd, text.data + text.length, text.capacity - text.length)) > 0)
			text.length += got;
		document = json_parse(text.data, text.length, problem);
	}
	if (fd >= 0)
		close(fd);
	buffer_free(&text);
	return document;
}

static bool
is_text_array(json_t *array)
{
	size_t		index;
	json_t	   *value;

	if (!json_is_array(array))
		return false;
	json_array_foreach(array, index, value)
	{
		if (!json_is_string(value))
			return false;
	}
	return true;
}

static bool
is_absolute(const char *path)
{
	return path != NULL && path[0] == '/';
}

static void
launch_take_limits(Launch *launch)
{
	json_t	   *limits = json_object_get(launch->runner, "limits");
	TimeLimits *times = &launch->times;

	times->start = json_seconds(limits, "start", 60);
	times->idle = json_seconds(limits, "idle", 900);
	times->linger = json_seconds(limits, "linger", 30);
	times->grace = json_seconds(limits, "grace", 10);
	times->total = json_seconds(launch->run, "timeout_s", json_seconds(limits, "timeout", 3600));
	if (times->total > DAY || times->total == 0)
		times->total = DAY;
	launch->log_limit = json_limit(limits, "stdout");
	if (launch->log_limit == 0)
		launch->log_limit = (size_t) 4 * 1024 * 1024;
	launch->limits.nofile = json_limit(limits, "nofile");
	launch->limits.nproc = json_limit(limits, "nproc");
	launch->limits.fsize = json_limit(limits, "fsize");
	launch->limits.as = json_limit(limits, "as");
	launch->limits.cpu = json_limit(limits, "cpu");
	launch->limits.nice = json_integer_value(json_object_get(limits, "nice"));
}

/* Returns what is wrong, or NULL. */
static const char *
launch_problem(const Launch *launch)
{
	json_t	   *protocol = json_object_get(launch->document, "protocol");

	if (!json_is_integer(protocol) || json_integer_value(protocol) != PROTOCOL)
		return "launch record has another protocol: shim and library differ in version";
	if (launch->run_id == NULL || launch->run_id[0] == '\0' || strlen(launch->run_id) > 40 ||
		strspn(launch->run_id, "0123456789") != strlen(launch->run_id))
		return "launch record has no valid run_id";
	if (launch->kind == NULL)
		return "this shim does not know the runner's kind";
	if (!is_text_array(launch->argv) || json_array_size(launch->argv) == 0 ||
		!is_absolute(json_string_value(json_array_get(launch->argv, 0))))
		return "runner's program is not an absolute path";
	if (launch->prefix != NULL && !is_text_array(launch->prefix))
		return "runner's prefix is not a list of words";
	if (!is_absolute(launch->workspace))
		return "launch record has no workspace";
	if (launch->workspace_root != NULL && !is_absolute(launch->workspace_root))
		return "runner's workspace_root is not an absolute path";
	return NULL;
}

/* Takes the document over, also when it is refused. */
bool
launch_check(Launch *launch, json_t *document, char **problem)
{
	const char *found;

	launch->document = document;
	launch->run = json_object_get(document, "run");
	launch->runner = json_object_get(document, "runner");
	launch->argv = json_object_get(launch->runner, "argv");
	launch->prefix = json_object_get(launch->runner, "prefix");
	if (json_is_null(launch->prefix) || (json_is_array(launch->prefix) && json_array_size(launch->prefix) == 0))
		launch->prefix = NULL;
	launch->run_id = json_text(launch->run, "run_id");
	launch->token = json_text(launch->run, "token");
	launch->prompt = json_text(launch->run, "prompt");
	launch->branch = json_text(launch->run, "branch");
	launch->slug = json_text(launch->run, "slug");
	launch->output_dir = json_text(launch->run, "output_dir");
	launch->workspace_root = json_text(launch->runner, "workspace_root");
	launch->workspace = json_text(document, "workspace");
	launch->alive = json_text(document, "alive");
	launch->orphan_grace = json_seconds(document, "orphan_grace", 120);
	launch->budget = json_amount(launch->run, "budget_usd");
	launch->price = json_object_get(launch->run, "price");
	launch->allow_same_user = json_is_true(json_object_get(launch->runner, "allow_same_user"));
	launch->kind = kind_find(json_text(launch->runner, "kind"));
	launch_take_limits(launch);
	found = launch_problem(launch);
	if (found != NULL)
		*problem = text_copy(found);
	return found == NULL;
}

/* A slug is data: it becomes one file name, or none. */
static bool
is_file_name(const char *slug)
{
	return slug != NULL && slug[0] != '\0' && slug[0] != '.' &&
		strchr(slug, '/') == NULL && strlen(slug) <= 200;
}

/* Where the agent is asked to put its output, relative to the workspace; or NULL. */
char *
launch_output_name(const Launch *launch)
{
	if (!is_file_name(launch->slug))
		return NULL;
	if (launch->output_dir == NULL || launch->output_dir[0] == '\0')
		return text_format("%s.md", launch->slug);
	return text_format("%s/%s.md", launch->output_dir, launch->slug);
}
