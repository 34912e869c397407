/*-------------------------------------------------------------------------
 *
 * host.c
 *		What a health check asks about the machine.
 *
 * Reads /proc and the service manager's files, and nothing but small files.
 * What cannot be read is NULL or missing: a health check never fails.  What
 * the texts mean is decided in SQL (82_health_host.sql).
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
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "nodes/pg_list.h"
#include "storage/fd.h"
#include "utils/builtins.h"
#include "utils/tuplestore.h"

#define SMALL_FILE 16384

/* where units and their drop-in files stand; the later ones win */
static const char *const unit_directories[] = {
	"/usr/lib/systemd/system", "/lib/systemd/system", "/run/systemd/system", "/etc/systemd/system"
};

static size_t read_small(const char *path, char *text, size_t size);
static void add_kill_modes(StringInfo modes, const char *path);
static int	compare_names(const ListCell *a, const ListCell *b);
static void add_kill_modes_below(StringInfo modes, const char *directory);
static bool is_unit_name(const char *name);
static bool is_shim_of(const char *pid, const char *runs, int64 *run_id);

PG_FUNCTION_INFO_V1(vibe_host_facts);
PG_FUNCTION_INFO_V1(vibe_kill_modes);
PG_FUNCTION_INFO_V1(vibe_live_shims);
PG_FUNCTION_INFO_V1(vibe_share_directory);

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

/*
 * Add a file's KillMode= lines, one value a line.  Nothing else of it leaves
 * this file: units may name secrets.
 */
static void
add_kill_modes(StringInfo modes, const char *path)
{
	static const char key[] = "KillMode=";
	char		text[SMALL_FILE];
	char	   *line = text;

	if (read_small(path, text, sizeof(text)) == 0)
		return;
	while (*line != '\0')
	{
		size_t		length = strcspn(line, "\n");

		if (strncmp(line, key, strlen(key)) == 0)
		{
			const char *mode = line + strlen(key);

			appendStringInfo(modes, "%.*s\n", (int) strspn(mode, "abcdefghijklmnopqrstuvwxyz-"), mode);
		}
		line += length + (line[length] == '\n');
	}
}

static int
compare_names(const ListCell *a, const ListCell *b)
{
	return strcmp(lfirst(a), lfirst(b));
}

/* Those of the drop-in files of a directory, by name as systemd reads them. */
static void
add_kill_modes_below(StringInfo modes, const char *directory)
{
	DIR		   *dir = AllocateDir(directory);
	struct dirent *entry;
	List	   *names = NIL;
	ListCell   *cell;

	if (dir == NULL)
		return;
	while ((entry = ReadDirExtended(dir, directory, DEBUG1)) != NULL)
	{
		size_t		length = strlen(entry->d_name);

		if (length > 5 && strcmp(entry->d_name + length - 5, ".conf") == 0)
			names = lappend(names, pstrdup(entry->d_name));
	}
	FreeDir(dir);
	list_sort(names, compare_names);
	foreach(cell, names)
		add_kill_modes(modes, psprintf("%s/%s", directory, (char *) lfirst(cell)));
}

/* May this be looked for in the file system?  (A unit's name has no slash.) */
static bool
is_unit_name(const char *name)
{
	return name[0] != '.' && strlen(name) <= 255 &&
		name[strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789:_.\\@-")] == '\0';
}

/* vibe._kill_modes(unit): what the files of a unit, or of its template, say */
Datum
vibe_kill_modes(PG_FUNCTION_ARGS)
{
	char	   *names[2] = {NULL, text_to_cstring(PG_GETARG_TEXT_PP(0))};
	const char *at = strchr(names[1], '@');
	StringInfoData modes;

	initStringInfo(&modes);
	if (!is_unit_name(names[1]))
		PG_RETURN_NULL();
	if (at != NULL)
		names[0] = psprintf("%.*s.service", (int) (at - names[1] + 1), names[1]);
	/* the unit itself first, then what was added to it */
	for (int dropin = 0; dropin < 2; dropin++)
		for (int d = 0; d < lengthof(unit_directories); d++)
			for (int n = 0; n < lengthof(names); n++)
			{
				if (names[n] == NULL)
					continue;
				if (dropin)
					add_kill_modes_below(&modes, psprintf("%s/%s.d", unit_directories[d], names[n]));
				else
					add_kill_modes(&modes, psprintf("%s/%s", unit_directories[d], names[n]));
			}
	PG_RETURN_TEXT_P(cstring_to_text_with_len(modes.data, modes.len));
}

/* vibe._host_facts(): postmaster_pid, cgroup */
Datum
vibe_host_facts(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	char		cgroup[SMALL_FILE];
	Datum		values[2] = {0};
	bool		nulls[2] = {false, true};

	InitMaterializedSRF(fcinfo, 0);
	values[0] = Int32GetDatum((int32) PostmasterPid);
	if (read_small("/proc/self/cgroup", cgroup, sizeof(cgroup)) > 0 &&
		pg_verifymbstr(cgroup, strlen(cgroup), true))
	{
		values[1] = CStringGetTextDatum(cgroup);
		nulls[1] = false;
	}
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	return (Datum) 0;
}

/* vibe._share_directory(): where this installation keeps its shared files */
Datum
vibe_share_directory(PG_FUNCTION_ARGS)
{
	char		path[MAXPGPATH];

	get_share_path(my_exec_path, path);
	if (!pg_verifymbstr(path, strlen(path), true))
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(path));
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
