/*-------------------------------------------------------------------------
 *
 * guc.c
 *		Every setting: definition, check, default.
 *
 * What decides which program runs as which user (runner_config,
 * run_directory, shim_path, allow_same_user) can be set in the configuration
 * file only, and at server start only: a role that was given ALTER SYSTEM
 * must not be able to turn it into a shell.  Those are PGC_POSTMASTER, and
 * defining such a setting after start-up is a FATAL error, so a library that
 * was loaded on demand defines the others only.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <limits.h>

#include "compat.h"
#include "guc.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/timestamp.h"
#include "utils/varlena.h"

#define SECONDS_PER_DAY_INT 86400
#define MAX_RETENTION (20 * 365 * SECONDS_PER_DAY_INT)

char	   *vibe_databases = NULL;
char	   *vibe_runner_config = NULL;
char	   *vibe_run_directory = NULL;
char	   *vibe_shim_path = NULL;
bool		vibe_allow_same_user = false;
int			vibe_max_runs = 8;
int			vibe_notify = VIBE_NOTIFY_COMMIT;
int			vibe_take_over = VIBE_TAKE_OVER_MANUAL;
int			vibe_orphan_grace = 120;
int			vibe_poll_interval = 10;
int			vibe_sweep_interval = 60;
int			vibe_run_file_retention = 7 * SECONDS_PER_DAY_INT;
int			vibe_run_files_max = 10 * 1024;
int			vibe_workspace_retention = 30 * SECONDS_PER_DAY_INT;
bool		vibe_fake_now_set = false;
TimestampTz vibe_fake_now = 0;

/* read by SQL with current_setting(), kept here because a setting needs a home */
static int	lease_duration = 300;
static int	lock_steal_after = 600;
static int	stale_lock_after = 1800;
static int	retry_base = 10000;
static int	retry_max = 360000;
static int	backlog_interval = SECONDS_PER_DAY_INT;
static int	run_retention = 0;
static int	activity_retention = 90 * SECONDS_PER_DAY_INT;
static int	notification_retention = 90 * SECONDS_PER_DAY_INT;
static char *fake_now_string = NULL;

static const struct config_enum_entry notify_options[] = {
	{"commit", VIBE_NOTIFY_COMMIT, false},
	{"worker", VIBE_NOTIFY_WORKER, false},
	{"off", VIBE_NOTIFY_OFF, false},
	{NULL, 0, false}
};

static const struct config_enum_entry take_over_options[] = {
	{"manual", VIBE_TAKE_OVER_MANUAL, false},
	{"auto", VIBE_TAKE_OVER_AUTO, false},
	{NULL, 0, false}
};

static bool check_databases(char **newval, void **extra, GucSource source);
static bool check_absolute_path(char **newval, void **extra, GucSource source);
static bool check_fake_now(char **newval, void **extra, GucSource source);
static void assign_fake_now(const char *newval, void *extra);
static void define_start_settings(void);
static void define_worker_settings(void);
static void define_sweep_settings(void);
static void define_session_settings(void);

/*
 * Define the settings.  The prefix is reserved only when the start-time ones
 * exist too: otherwise the valid lines of a configuration file would be
 * reported as unknown to every session that loads the library on demand.
 */
void
vibe_guc_init(void)
{
	define_worker_settings();
	define_sweep_settings();
	define_session_settings();
	if (process_shared_preload_libraries_in_progress)
	{
		define_start_settings();
		MarkGUCPrefixReserved("vibe_orchestrator");
	}
}

/* Settings that decide what is executed: configuration file, server start. */
static void
define_start_settings(void)
{
	DefineCustomStringVariable("vibe_orchestrator.runner_config",
							   "File that names the programs agents are run with.",
							   "Must belong to root or the server's user and be writable by nobody else.",
							   &vibe_runner_config,
							   "/etc/vibe_orchestrator/runners.conf",
							   PGC_POSTMASTER, GUC_DISALLOW_IN_AUTO_FILE,
							   check_absolute_path, NULL, NULL);
	DefineCustomStringVariable("vibe_orchestrator.run_directory",
							   "Directory for run files and workspaces.",
							   "Must lie outside the data directory.",
							   &vibe_run_directory,
							   "/var/lib/vibe_orchestrator",
							   PGC_POSTMASTER, GUC_DISALLOW_IN_AUTO_FILE,
							   check_absolute_path, NULL, NULL);
	DefineCustomStringVariable("vibe_orchestrator.shim_path",
							   "Program that supervises one run.",
							   NULL,
							   &vibe_shim_path,
							   VIBE_SHIM_PATH,
							   PGC_POSTMASTER, GUC_DISALLOW_IN_AUTO_FILE,
							   check_absolute_path, NULL, NULL);
	DefineCustomBoolVariable("vibe_orchestrator.allow_same_user",
							 "Lets agents run as the operating system user of the server.",
							 "Such an agent can read and write the data directory and log in as superuser.",
							 &vibe_allow_same_user,
							 false,
							 PGC_POSTMASTER, GUC_DISALLOW_IN_AUTO_FILE,
							 NULL, NULL, NULL);
}

/* Settings of the background workers: reloadable. */
static void
define_worker_settings(void)
{
	DefineCustomStringVariable("vibe_orchestrator.databases",
							   "Databases that get a dispatcher.",
							   NULL,
							   &vibe_databases,
							   "",
							   PGC_SIGHUP, GUC_LIST_INPUT,
							   check_databases, NULL, NULL);
	DefineCustomIntVariable("vibe_orchestrator.max_runs",
							"Most runs that a dispatcher has alive at once.",
							NULL,
							&vibe_max_runs, 8, 1, 2000,
							PGC_SIGHUP, 0, NULL, NULL, NULL);
	DefineCustomEnumVariable("vibe_orchestrator.take_over",
							 "Whether a dispatcher of a copied or promoted database starts work by itself.",
							 NULL,
							 &vibe_take_over, VIBE_TAKE_OVER_MANUAL, take_over_options,
							 PGC_SIGHUP, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("vibe_orchestrator.orphan_grace",
							"How long agents go on without a dispatcher.",
							NULL,
							&vibe_orphan_grace, 120, 1, SECONDS_PER_DAY_INT,
							PGC_SIGHUP, GUC_UNIT_S, NULL, NULL, NULL);
	DefineCustomIntVariable("vibe_orchestrator.poll_interval",
							"Longest time between two looks at the queue.",
							NULL,
							&vibe_poll_interval, 10, 1, 3600,
							PGC_SIGHUP, GUC_UNIT_S, NULL, NULL, NULL);
	DefineCustomIntVariable("vibe_orchestrator.sweep_interval",
							"Time between two sweeps by the dispatcher.",
							NULL,
							&vibe_sweep_interval, 60, 1, SECONDS_PER_DAY_INT,
							PGC_SIGHUP, GUC_UNIT_S, NULL, NULL, NULL);
	DefineCustomIntVariable("vibe_orchestrator.run_file_retention",
							"How long the files of a settled run are kept.",
							"Zero removes them at once.",
							&vibe_run_file_retention,
							7 * SECONDS_PER_DAY_INT, 0, 365 * SECONDS_PER_DAY_INT,
							PGC_SIGHUP, GUC_UNIT_S, NULL, NULL, NULL);
	DefineCustomIntVariable("vibe_orchestrator.run_files_max",
							"Disk space that the files of settled runs may take; the oldest go first.",
							"Zero is no limit.",
							&vibe_run_files_max, 10 * 1024, 0, INT_MAX,
							PGC_SIGHUP, GUC_UNIT_MB, NULL, NULL, NULL);
	DefineCustomIntVariable("vibe_orchestrator.workspace_retention",
							"How long the workspace of a task is kept after the task's end.",
							"Zero removes it at once.",
							&vibe_workspace_retention,
							30 * SECONDS_PER_DAY_INT, 0, 3650 * SECONDS_PER_DAY_INT,
							PGC_SIGHUP, GUC_UNIT_S, NULL, NULL, NULL);
}

/* What every sweep goes by, whoever calls it: reloadable, the same for all. */
static void
define_sweep_settings(void)
{
	DefineCustomIntVariable("vibe_orchestrator.backlog_interval",
							"Time between two requests for topics for one campaign.",
							NULL,
							&backlog_interval,
							SECONDS_PER_DAY_INT, 60, 365 * SECONDS_PER_DAY_INT,
							PGC_SIGHUP, GUC_UNIT_S, NULL, NULL, NULL);
	DefineCustomIntVariable("vibe_orchestrator.run_retention",
							"How long runs of tasks that have ended are kept.",
							"Zero keeps all.",
							&run_retention,
							0, 0, MAX_RETENTION,
							PGC_SIGHUP, GUC_UNIT_S, NULL, NULL, NULL);
	DefineCustomIntVariable("vibe_orchestrator.activity_retention",
							"How long the lines of the feed are kept.",
							"Zero keeps all.",
							&activity_retention,
							90 * SECONDS_PER_DAY_INT, 0, MAX_RETENTION,
							PGC_SIGHUP, GUC_UNIT_S, NULL, NULL, NULL);
	DefineCustomIntVariable("vibe_orchestrator.notification_retention",
							"How long notifications are kept.",
							"Zero keeps all.",
							&notification_retention,
							90 * SECONDS_PER_DAY_INT, 0, MAX_RETENTION,
							PGC_SIGHUP, GUC_UNIT_S, NULL, NULL, NULL);
}

/* Settings that a superuser may change for a session. */
static void
define_session_settings(void)
{
	DefineCustomEnumVariable("vibe_orchestrator.notify",
							 "Who sends NOTIFY vibe_dispatch when a step is completed.",
							 NULL,
							 &vibe_notify, VIBE_NOTIFY_COMMIT, notify_options,
							 PGC_SUSET, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("vibe_orchestrator.lease_duration",
							"How long a lock held by hand is valid without renewal.",
							NULL,
							&lease_duration, 300, 1, 7 * SECONDS_PER_DAY_INT,
							PGC_SUSET, GUC_UNIT_S, NULL, NULL, NULL);
	DefineCustomIntVariable("vibe_orchestrator.lock_steal_after",
							"How long after its last renewal a rival may take a lock.",
							NULL,
							&lock_steal_after, 600, 1, 7 * SECONDS_PER_DAY_INT,
							PGC_SUSET, GUC_UNIT_S, NULL, NULL, NULL);
	DefineCustomIntVariable("vibe_orchestrator.stale_lock_after",
							"How long after its last renewal sweep() frees a lock.",
							NULL,
							&stale_lock_after, 1800, 1, 7 * SECONDS_PER_DAY_INT,
							PGC_SUSET, GUC_UNIT_S, NULL, NULL, NULL);
	DefineCustomIntVariable("vibe_orchestrator.retry_base",
							"Back-off before the first retry of a failed step.",
							NULL,
							&retry_base, 10000, 0, 3600 * 1000,
							PGC_SUSET, GUC_UNIT_MS, NULL, NULL, NULL);
	DefineCustomIntVariable("vibe_orchestrator.retry_max",
							"Longest back-off between two retries.",
							NULL,
							&retry_max, 360000, 0, SECONDS_PER_DAY_INT * 1000,
							PGC_SUSET, GUC_UNIT_MS, NULL, NULL, NULL);
	DefineCustomStringVariable("vibe_orchestrator.fake_now",
							   "Stops vibe.clock() at this time; for tests.",
							   NULL,
							   &fake_now_string,
							   "",
							   PGC_SUSET, 0,
							   check_fake_now, assign_fake_now, NULL);
}

/* The list must parse; whether the databases exist is the launcher's affair. */
static bool
check_databases(char **newval, void **extra, GucSource source)
{
	char	   *copy = pstrdup(*newval);
	List	   *names = NIL;
	bool		valid = SplitIdentifierString(copy, ',', &names);

	if (!valid)
		GUC_check_errdetail("List syntax is invalid.");
	list_free(names);
	pfree(copy);
	return valid;
}

static bool
check_absolute_path(char **newval, void **extra, GucSource source)
{
	if (is_absolute_path(*newval))
		return true;
	GUC_check_errdetail("The path must be absolute.");
	return false;
}

/*
 * Check hooks must not raise errors, so the time is decoded by hand here.
 * Words such as "now" or "infinity" are refused: a clock stands at a date.
 */
static bool
check_fake_now(char **newval, void **extra, GucSource source)
{
	char		workbuf[MAXDATELEN + MAXDATEFIELDS];
	char	   *field[MAXDATEFIELDS];
	int			ftype[MAXDATEFIELDS];
	int			nf;
	int			dtype;
	int			tz;
	struct pg_tm tm;
	fsec_t		fsec;
	TimestampTz stamp;
	TimestampTz *copy;

	if ((*newval)[0] == '\0')
		return true;
	if (ParseDateTime(*newval, workbuf, sizeof(workbuf), field, ftype,
					  MAXDATEFIELDS, &nf) != 0 ||
		vibe_decode_datetime(field, ftype, nf, &dtype, &tm, &fsec, &tz) != 0 ||
		dtype != DTK_DATE ||
		tm2timestamp(&tm, fsec, &tz, &stamp) != 0)
	{
		GUC_check_errdetail("The value must be a date with time, or empty.");
		return false;
	}
	copy = (TimestampTz *) vibe_guc_malloc(sizeof(TimestampTz));
	if (copy == NULL)
		return false;
	*copy = stamp;
	*extra = copy;
	return true;
}

static void
assign_fake_now(const char *newval, void *extra)
{
	vibe_fake_now_set = extra != NULL;
	vibe_fake_now = extra != NULL ? *(TimestampTz *) extra : 0;
}

/* The configured names, palloc'd; an empty list if there are none. */
List *
vibe_configured_databases(void)
{
	char	   *copy;
	List	   *names = NIL;

	if (vibe_databases == NULL || vibe_databases[0] == '\0')
		return NIL;
	copy = pstrdup(vibe_databases);
	/* the check hook has accepted it, so this cannot fail */
	(void) SplitIdentifierString(copy, ',', &names);
	return names;
}

bool
vibe_database_is_configured(const char *name)
{
	List	   *names = vibe_configured_databases();
	ListCell   *cell;

	foreach(cell, names)
	{
		if (strcmp((char *) lfirst(cell), name) == 0)
			return true;
	}
	return false;
}
