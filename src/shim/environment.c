/*
 * environment.c
 *		The environment of an agent, built from nothing.
 *
 * Three parts, the later replacing the earlier: what the contract gives every
 * agent, what comes from outside by the runner file (pass_env, env,
 * secret_env), and the VIBE_ variables, which nothing can replace.
 * Secrets are read by the outer shim, since only its user may read the files.
 */
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "environment.h"

#define SECRET_LIMIT 65536
#define DEFAULT_PATH "/usr/local/bin:/usr/bin:/bin"

static bool
is_variable_name(const char *name)
{
	if (name == NULL || name[0] == '\0' || (name[0] >= '0' && name[0] <= '9'))
		return false;
	return name[strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_")] == '\0';
}

static char *
secret_read(const char *path, char **problem)
{
	struct stat info;
	char	   *value = NULL;
	ssize_t		got = -1;
	int			fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

	if (fd < 0 || fstat(fd, &info) < 0)
		*problem = text_format("cannot open secret file \"%s\": %s", path, strerror(errno));
	else if (!S_ISREG(info.st_mode) || (info.st_uid != 0 && info.st_uid != geteuid()))
		*problem = text_format("secret file \"%s\" is not a regular file of root or the server's user", path);
	else if ((info.st_mode & S_IRWXO) != 0 || (info.st_mode & S_IWGRP) != 0)
		*problem = text_format("secret file \"%s\" is open to others or writable by its group", path);
	else if (info.st_size > SECRET_LIMIT)
		*problem = text_format("secret file \"%s\" is larger than 64 KiB", path);
	else
	{
		value = memory_get(SECRET_LIMIT + 1);
		got = read(fd, value, SECRET_LIMIT);
		if (got < 0)
			*problem = text_format("cannot read secret file \"%s\": %s", path, strerror(errno));
	}
	if (fd >= 0)
		close(fd);
	if (got < 0)
	{
		free(value);
		return NULL;
	}
	while (got > 0 && (value[got - 1] == '\n' || value[got - 1] == '\r'))
		value[--got] = '\0';
	return value;
}

static bool
add_secrets(json_t *outside, const Launch *launch, Secrets *secrets, char **problem)
{
	size_t		index;
	json_t	   *entry;

	json_array_foreach(json_object_get(launch->runner, "secret_env"), index, entry)
	{
		const char *name = json_text(entry, "name");
		const char *path = json_text(entry, "file");
		char	   *value;

		if (!is_variable_name(name) || path == NULL || path[0] != '/')
		{
			*problem = text_copy("runner's secret_env has no valid name or file");
			return false;
		}
		value = secret_read(path, problem);
		if (value == NULL)
			return false;
		secrets_add(secrets, value);
		if (json_object_set_new(outside, name, json_string(value)) < 0)
			*problem = text_format("secret file \"%s\" does not hold UTF-8 text", path);
		explicit_bzero(value, strlen(value));
		free(value);
		if (*problem != NULL)
			return false;
	}
	return true;
}

/* Variables that the runner file names, with their values; NULL on a problem. */
json_t *
environment_from_outside(const Launch *launch, Secrets *secrets, char **problem)
{
	json_t	   *outside = json_object();
	size_t		index;
	const char *name;
	json_t	   *entry;

	json_array_foreach(json_object_get(launch->runner, "pass_env"), index, entry)
	{
		const char *passed = json_string_value(entry);
		const char *value = is_variable_name(passed) ? getenv(passed) : NULL;

		/* the server's own connection settings are never handed on */
		if (value != NULL && strncmp(passed, "PG", 2) != 0)
			json_object_set_new(outside, passed, json_string(value));
	}
	json_object_foreach(json_object_get(launch->runner, "env"), name, entry)
	{
		if (is_variable_name(name) && json_is_string(entry))
			json_object_set(outside, name, entry);
	}
	if (add_secrets(outside, launch, secrets, problem))
		return outside;
	json_decref(outside);
	return NULL;
}

static void
set_text(json_t *environment, const char *name, const char *value)
{
	json_object_set_new(environment, name, json_string(value ? value : ""));
}

static void
set_owned(json_t *environment, const char *name, char *value)
{
	set_text(environment, name, value);
	free(value);
}

/* A field of the run as text; a missing one becomes the empty string. */
static void
set_field(json_t *environment, const char *name, const Launch *launch, const char *key)
{
	json_t	   *value = json_object_get(launch->run, key);

	if (json_is_integer(value))
		set_owned(environment, name, text_format("%lld", (long long) json_integer_value(value)));
	else if (json_is_real(value))
		set_owned(environment, name, text_format("%.15g", json_real_value(value)));
	else
		set_text(environment, name, json_string_value(value));
}

/* Asked once: the answer takes several files to find. */
static struct passwd *
own_user(void)
{
	static struct passwd *user = NULL;
	static bool asked = false;

	if (!asked)
		user = getpwuid(geteuid());
	asked = true;
	return user;
}

void
environment_know_user(void)
{
	(void) own_user();
}

static void
set_standard(json_t *environment, const Launch *launch, const char *home)
{
	struct passwd *user = own_user();
	char	   *number = text_format("%u", (unsigned) geteuid());
	const char *name = user ? user->pw_name : number;
	const char *path = json_text(launch->runner, "path");

	set_text(environment, "PATH", path && path[0] ? path : DEFAULT_PATH);
	set_text(environment, "HOME", user && user->pw_dir[0] == '/' ? user->pw_dir : home);
	set_text(environment, "USER", name);
	set_text(environment, "LOGNAME", name);
	set_text(environment, "LANG", "C.UTF-8");
	set_text(environment, "TZ", "UTC");
	set_text(environment, "TERM", "dumb");
	free(number);
}

static void
set_vibe(json_t *environment, const Launch *launch, const Place *place, const char *run_dir)
{
	static const struct
	{
		const char *name;
		const char *key;
	}			fields[] = {
		{"VIBE_RUN_ID", "run_id"},
		{"VIBE_TASK_ID", "task_id"},
		{"VIBE_STEP", "step"},
		{"VIBE_BRANCH", "branch"},
		{"VIBE_AGENT", "agent"},
		{"VIBE_MODEL", "model"},
		{"VIBE_ATTEMPT", "attempt"},
		{"VIBE_CAMPAIGN", "campaign"},
		{"VIBE_SLUG", "slug"},
		{"VIBE_SKILL_PATH", "skill_path"},
		{"VIBE_BUDGET_USD", "budget_usd"},
		{"VIBE_SESSION", "session"},
	};
	const char *traceparent = json_text(launch->run, "traceparent");

	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
	{
		/* a heartbeat belongs to no task: then there is no such variable */
		if (strcmp(fields[i].key, "task_id") != 0 || json_object_get(launch->run, "task_id") != NULL)
			set_field(environment, fields[i].name, launch, fields[i].key);
	}
	set_text(environment, "VIBE_CONTRACT", "1");
	set_text(environment, "VIBE_RUN_DIR", run_dir);
	set_text(environment, "VIBE_WORKSPACE", place->workspace);
	set_text(environment, "VIBE_OUTPUT_DIR", place->output_dir);
	set_text(environment, "VIBE_OUTPUT_FILE", place->output_file);
	set_owned(environment, "VIBE_INPUT", text_format("%s/input.json", place->agent_dir));
	set_owned(environment, "VIBE_RESULT", text_format("%s/result", place->agent_dir));
	set_owned(environment, "VIBE_TOKEN_FILE", text_format("%s/token", place->agent_dir));
	set_owned(environment, "VIBE_DEADLINE",
			  text_format("%lld", (long long) time(NULL) + (long long) launch->times.total));
	/* an empty one would not be a valid trace context */
	if (traceparent != NULL)
		set_text(environment, "TRACEPARENT", traceparent);
}

static char **
environment_to_list(json_t *environment)
{
	char	  **list = memory_get((json_object_size(environment) + 1) * sizeof(char *));
	size_t		count = 0;
	const char *name;
	json_t	   *value;

	json_object_foreach(environment, name, value)
	{
		if (json_is_string(value))
			list[count++] = text_format("%s=%s", name, json_string_value(value));
	}
	json_decref(environment);
	return list;
}

char **
environment_for_agent(const Launch *launch, const Place *place,
					  const char *run_dir, json_t *outside)
{
	json_t	   *environment = json_object();

	set_standard(environment, launch, place->workspace);
	set_owned(environment, "TMPDIR", text_copy(place->tmp_dir));
	set_text(environment, "NO_COLOR", "1");
	set_text(environment, "CI", "1");
	json_object_update(environment, outside);
	set_vibe(environment, launch, place, run_dir);
	return environment_to_list(environment);
}

/*
 * The prefix gets what it needs to reach the other user or host, no secrets.
 * VIBE_RUN_DIR makes it findable by sweep; a sweep itself is started without.
 */
char **
environment_for_prefix(const Launch *launch, const char *run_dir)
{
	json_t	   *environment = json_object();
	Secrets		none = {0};
	char	   *problem = NULL;
	json_t	   *runner = json_copy(launch->runner);
	Launch		open_part = *launch;
	json_t	   *outside;

	json_object_del(runner, "secret_env");
	json_object_del(runner, "env");
	open_part.runner = runner;
	outside = environment_from_outside(&open_part, &none, &problem);
	set_standard(environment, launch, "/");
	json_object_update(environment, outside);
	if (run_dir != NULL)
		set_text(environment, "VIBE_RUN_DIR", run_dir);
	json_decref(outside);
	json_decref(runner);
	return environment_to_list(environment);
}

/* A list of words for exec, with room for more at its end. */
char **
words_from_json(json_t *array, size_t extra)
{
	char	  **words = memory_get((json_array_size(array) + extra + 1) * sizeof(char *));
	size_t		index;
	json_t	   *word;

	json_array_foreach(array, index, word)
		words[index] = text_copy(json_string_value(word));
	return words;
}
