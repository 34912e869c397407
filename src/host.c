/*-------------------------------------------------------------------------
 *
 * host.c
 *		What a health check asks about the machine.
 *
 * Reads /proc and the service manager's files, and nothing but small files.
 * What cannot be read is NULL or missing: a health check never fails.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include "access/xlog.h"
#include "fmgr.h"
#include "funcapi.h"
#include "guc.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "storage/fd.h"
#include "utils/builtins.h"
#include "utils/tuplestore.h"

#define SMALL_FILE 4096
#define UNIT_DIRECTORY "/etc/systemd/system"

static size_t read_small(const char *path, char *text, size_t size);
static char *service_unit(void);
static char *kill_mode_in(const char *directory);
static char *kill_mode_of(const char *unit);
static bool is_shim_of(const char *pid, const char *runs, int64 *run_id);

PG_FUNCTION_INFO_V1(vibe_host_facts);
PG_FUNCTION_INFO_V1(vibe_live_shims);

/* The first bytes of a file, terminated; 0 if there are none. */
static size_t
read_small(const char *path, char *text, size_t size)
{
	int			fd = OpenTransientFile(path, O_RDONLY | O_NONBLOCK);
	ssize_t		got = -1;

	if (fd >= 0)
	{
		got = read(fd, text, size - 1);
		(void) CloseTransientFile(fd);
	}
	text[got > 0 ? got : 0] = '\0';
	return got > 0 ? (size_t) got : 0;
}

/* The systemd service that this server is a part of, or NULL. */
static char *
service_unit(void)
{
	char		text[SMALL_FILE];
	char	   *end;
	char	   *begin;

	/* "0::/system.slice/system-postgresql.slice/postgresql@15-main.service" */
	if (read_small("/proc/self/cgroup", text, sizeof(text)) == 0)
		return NULL;
	end = strstr(text, ".service");
	if (end == NULL)
		return NULL;
	end[strlen(".service")] = '\0';
	begin = strrchr(text, '/');
	return begin != NULL && begin[1] != '\0' ? pstrdup(begin + 1) : NULL;
}

/* The value of the last KillMode= in the drop-in files of a directory, or NULL. */
static char *
kill_mode_in(const char *directory)
{
	DIR		   *dir = AllocateDir(directory);
	struct dirent *entry;
	char	   *mode = NULL;

	if (dir == NULL)
		return NULL;
	while ((entry = ReadDirExtended(dir, directory, DEBUG1)) != NULL)
	{
		char		path[MAXPGPATH];
		char		text[SMALL_FILE];
		size_t		length = strlen(entry->d_name);
		char	   *found;

		if (length < 5 || strcmp(entry->d_name + length - 5, ".conf") != 0)
			continue;
		snprintf(path, sizeof(path), "%s/%s", directory, entry->d_name);
		if (read_small(path, text, sizeof(text)) == 0)
			continue;
		found = strstr(text, "\nKillMode=");
		if (found == NULL)
			continue;
		found += strlen("\nKillMode=");
		found[strcspn(found, "\r\n \t")] = '\0';
		mode = pstrdup(found);
	}
	FreeDir(dir);
	return mode;
}

/*
 * KillMode as drop-in files of the unit or its template set it; NULL if none
 * does, so that it is what the unit itself says.
 */
static char *
kill_mode_of(const char *unit)
{
	const char *at = strchr(unit, '@');
	char	   *mode = kill_mode_in(psprintf(UNIT_DIRECTORY "/%s.d", unit));

	if (mode == NULL && at != NULL)
		mode = kill_mode_in(psprintf(UNIT_DIRECTORY "/%.*s.service.d", (int) (at - unit + 1), unit));
	return mode;
}

/* vibe._host_facts(): postmaster_pid, service_unit, kill_mode */
Datum
vibe_host_facts(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	char	   *unit = service_unit();
	char	   *mode = unit != NULL ? kill_mode_of(unit) : NULL;
	Datum		values[3] = {0};
	bool		nulls[3] = {false, unit == NULL, mode == NULL};

	InitMaterializedSRF(fcinfo, 0);
	values[0] = Int32GetDatum((int32) PostmasterPid);
	if (unit != NULL)
		values[1] = CStringGetTextDatum(unit);
	if (mode != NULL)
		values[2] = CStringGetTextDatum(mode);
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	return (Datum) 0;
}

/* Is this process a supervisor of one of our runs? */
static bool
is_shim_of(const char *pid, const char *runs, int64 *run_id)
{
	char		path[64];
	char		command[MAXPGPATH * 2];
	size_t		length;
	const char *verb;
	const char *directory;
	char	   *end;

	if (strspn(pid, "0123456789") != strlen(pid) || strlen(pid) > 10)
		return false;
	snprintf(path, sizeof(path), "/proc/%s/cmdline", pid);
	length = read_small(path, command, sizeof(command));

	/* program, "run", directory: each ends with a zero byte */
	verb = command + strlen(command) + 1;
	if (verb >= command + length || strcmp(verb, "run") != 0)
		return false;
	directory = verb + strlen(verb) + 1;
	if (directory >= command + length || strncmp(directory, runs, strlen(runs)) != 0)
		return false;
	*run_id = strtoll(directory + strlen(runs), &end, 10);
	return *run_id > 0 && *end == '\0';
}

/* vibe._live_shims(): run_id, pid of the supervisors of this database that live here */
Datum
vibe_live_shims(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	char	   *runs;
	DIR		   *proc;
	struct dirent *entry;

	InitMaterializedSRF(fcinfo, 0);
	/* the setting exists only in a server that preloads the library */
	if (vibe_run_directory == NULL)
		return (Datum) 0;
	runs = psprintf("%s/" UINT64_FORMAT "-%u/runs/", vibe_run_directory,
					GetSystemIdentifier(), MyDatabaseId);
	proc = AllocateDir("/proc");
	while (proc != NULL && (entry = ReadDirExtended(proc, "/proc", DEBUG1)) != NULL)
	{
		int64		run_id;
		Datum		values[2];
		bool		nulls[2] = {false, false};

		if (!is_shim_of(entry->d_name, runs, &run_id))
			continue;
		values[0] = Int64GetDatum(run_id);
		values[1] = Int32GetDatum(atoi(entry->d_name));
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}
	if (proc != NULL)
		FreeDir(proc);
	return (Datum) 0;
}
