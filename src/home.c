/*-------------------------------------------------------------------------
 *
 * home.c
 *		What the dispatcher may do in its database.
 *
 * This is found out anew each turn, because all of it can change: the
 * extension may be missing or another one, the database may be a copy that
 * belongs to another server, the run directory may be in use, library and
 * extension may differ, the runner file may be unusable.  Each of these takes
 * away a part of the work; what is left goes on.  Without the extension the
 * dispatcher ends what it runs; of a copy it touches nothing; without runners
 * it starts nothing, but still takes in what ends.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "clock.h"
#include "errors.h"
#include "guc.h"
#include "home.h"
#include "miscadmin.h"
#include "run_directory.h"
#include "run_table.h"
#include "supervise.h"
#include "utils/memutils.h"
#include "verb.h"
#include "work.h"

#define TAKE_OVER_GRACE_S 10
#define LOOK_AGAIN_MS 1000

typedef struct Home
{
	const char *database;
	Oid			extension;		/* whose runs are in the table */
	bool		listening;
	bool		attached;		/* the database is ours */
	bool		adopted;		/* everything in runs/ is in the table */
	bool		versions_agree; /* of library and extension, at the last look */
	bool		foreign_said;
	int64		foreign_since;	/* 0: not foreign */
	int64		attach_at;		/* next look at a foreign database */
	int64		look_again_at;	/* sooner than the next poll, or VIBE_NEVER */
	VibeRunnerSet *runners;		/* the last good set, or NULL */
	char	   *runners_problem;	/* of the last reading, or NULL */
	VibeState	state;
	char		problem[VIBE_PROBLEM_LENGTH];
} Home;

static Home home;

static void set_state(VibeState state, const char *problem);
static void block(int code, const char *problem);
static bool version_is_older(const char *one, const char *other);
static bool check_versions(const char *extension);
static void lose_extension(void);
static bool change_extension(Oid extension);
static bool attach(int64 now);
static void check_runners(void);

void
vibe_home_init(const char *database)
{
	memset(&home, 0, sizeof(home));
	home.database = database;
	home.state = VIBE_STARTING;
	home.look_again_at = VIBE_NEVER;
}

/* The runners in use; NULL only if vibe_home_look() said not to claim. */
VibeRunnerSet *
vibe_home_runners(void)
{
	return home.runners;
}

/*
 * May runs that were claimed be started?  Not by a library that may read
 * wrongly what SQL of another version has written.
 */
bool
vibe_home_may_start(void)
{
	return home.versions_agree;
}

/* When a state that should pass soon is to be looked at again. */
int64
vibe_home_look_again_at(void)
{
	return home.look_again_at;
}

/* Publish the state; without a problem of its own, one of the verbs. */
void
vibe_home_report(VibeSlot *slot)
{
	vibe_slot_report(slot, home.state,
					 home.problem[0] != '\0' ? home.problem : vibe_verb_problem(),
					 vibe_run_count_occupied());
}

static void
set_state(VibeState state, const char *problem)
{
	home.state = state;
	strlcpy(home.problem, problem != NULL ? problem : "", sizeof(home.problem));
}

/* Start no runs.  A new reason is worth a line in the log, one that stays is not. */
static void
block(int code, const char *problem)
{
	char		text[VIBE_PROBLEM_LENGTH];

	strlcpy(text, problem != NULL ? problem : "", sizeof(text));
	if (strcmp(text, home.problem) != 0)
		ereport(LOG,
				(errcode(code),
				 errmsg("vibe dispatcher for database \"%s\" starts no runs: %s",
						home.database, text)));
	set_state(VIBE_BLOCKED, text);
}

/* Read the runner file; a bad one leaves the set in use as it is. */
void
vibe_home_read_runners(void)
{
	VibeRunnerSet *set;
	MemoryContext old = MemoryContextSwitchTo(TopMemoryContext);
	char	   *problem = NULL;

	set = vibe_runner_file_read(vibe_runner_config, &problem);
	MemoryContextSwitchTo(old);
	if (set != NULL)
	{
		if (home.runners != NULL)
			MemoryContextDelete(home.runners->context);
		home.runners = set;
	}
	else if (home.runners != NULL &&
			 (home.runners_problem == NULL || strcmp(problem, home.runners_problem) != 0))
		ereport(LOG,
				(errmsg("the runners known before stay in use: %s", problem)));
	if (home.runners_problem != NULL)
		pfree(home.runners_problem);
	home.runners_problem = problem;
}

/* Without the extension nobody waits for our runs: end them. */
static void
lose_extension(void)
{
	char	   *problem = NULL;

	/* what an earlier dispatcher left is ended, too, if its files are there */
	if (!vibe_run_directory_is_open() && !OidIsValid(home.extension))
		(void) vibe_run_directory_open(MyDatabaseId, &problem);
	(void) vibe_supervise_discard();
	home.extension = InvalidOid;
	home.attached = false;
	home.adopted = false;
	home.foreign_since = 0;
	set_state(VIBE_NO_EXTENSION, NULL);
}

/*
 * The extension is there, but not the one we knew.  Its run ids begin anew,
 * so every run of the old one has to be gone before one of the new may start.
 */
static bool
change_extension(Oid extension)
{
	home.attached = false;
	home.adopted = false;
	if (!vibe_run_directory_is_of(extension) || OidIsValid(home.extension))
	{
		if (!vibe_supervise_discard() || vibe_run_count_discarded() > 0)
		{
			set_state(VIBE_STARTING, "runs of an extension that was dropped are being ended");
			home.look_again_at = vibe_monotonic_ms() + LOOK_AGAIN_MS;
			return false;
		}
	}
	/* the mark's age tells how long the extension has been this one */
	if (!vibe_run_directory_is_of(extension) && !vibe_run_directory_mark_of(extension))
	{
		block(ERRCODE_IO_ERROR, "the run directory cannot be written");
		return false;
	}
	home.extension = extension;
	return true;
}

/* Is the database ours?  A foreign one is asked again each poll. */
static bool
attach(int64 now)
{
	bool		ours;

	if (!home.attached && home.foreign_since != 0 && now < home.attach_at)
		return false;
	home.attach_at = now + (int64) vibe_poll_interval * 1000;
	if (home.foreign_since != 0 && vibe_take_over == VIBE_TAKE_OVER_AUTO &&
		now - home.foreign_since >= (int64) (vibe_orphan_grace + TAKE_OVER_GRACE_S) * 1000 &&
		vibe_work_take_over())
		ereport(LOG,
				(errmsg("vibe dispatcher has taken over database \"%s\"", home.database)));
	if (!vibe_work_attach(&ours))
	{
		set_state(VIBE_STARTING, vibe_verb_problem());
		return false;
	}
	if (ours)
	{
		home.attached = true;
		home.foreign_since = 0;
		home.foreign_said = false;
		return true;
	}
	home.attached = false;
	home.adopted = false;
	if (home.foreign_since == 0)
		home.foreign_since = now;
	set_state(VIBE_FOREIGN, "the database belongs to another server: SELECT vibe.take_over()");
	if (!home.foreign_said)
		ereport(LOG,
				(errmsg("database \"%s\" is a copy: its agents belong to another server",
						home.database),
				 errhint("If the other server is gone for good, call SELECT vibe.take_over().")));
	home.foreign_said = true;
	return false;
}

/* Numbers between dots, compared one after the other. */
static bool
version_is_older(const char *one, const char *other)
{
	for (;;)
	{
		char	   *one_end;
		char	   *other_end;
		long		n = strtol(one, &one_end, 10);
		long		m = strtol(other, &other_end, 10);

		if (n != m)
			return n < m;
		if (*one_end != '.' || *other_end != '.')
			return *other_end == '.';
		one = one_end + 1;
		other = other_end + 1;
	}
}

/* Runs go on ending while library and extension differ, but none is started. */
static bool
check_versions(const char *extension)
{
	home.versions_agree = strcmp(extension, VIBE_VERSION) == 0;
	if (!home.versions_agree)
		block(ERRCODE_VIBE_VERSIONS_DIFFER,
			  psprintf("the library is version %s, the extension %s: %s", VIBE_VERSION, extension,
					   version_is_older(extension, VIBE_VERSION) ?
					   "ALTER EXTENSION vibe_orchestrator UPDATE" :
					   "restart the server, which then loads the new library"));
	return home.versions_agree;
}

/*
 * Find out what may be done in this turn; false: nothing in the database.
 * may_claim: also start runs.
 */
bool
vibe_home_look(bool *may_claim)
{
	int64		now = vibe_monotonic_ms();
	VibeExtension extension;
	char	   *problem = NULL;

	*may_claim = false;
	home.look_again_at = VIBE_NEVER;
	if (!home.listening)
		home.listening = vibe_work_listen();
	if (!vibe_work_look(&extension))
		return false;
	if (!OidIsValid(extension.oid))
	{
		lose_extension();
		return false;
	}
	if (!vibe_run_directory_open(MyDatabaseId, &problem))
	{
		block(ERRCODE_IO_ERROR, problem);
		home.look_again_at = now + LOOK_AGAIN_MS;
		return false;
	}
	if (extension.oid != home.extension && !change_extension(extension.oid))
		return false;
	if (!attach(now))
		return false;
	if (!home.adopted)
		home.adopted = vibe_supervise_adopt();

	if (!check_versions(extension.version))
		return true;
	check_runners();
	*may_claim = home.state == VIBE_RUNNING;
	return true;
}

/* Running, if there is a runner to run with. */
static void
check_runners(void)
{
	ListCell   *cell;
	const char *problem = home.runners_problem;
	int			usable = 0;

	if (home.runners == NULL)
		vibe_home_read_runners();
	if (home.runners == NULL)
	{
		block(ERRCODE_VIBE_RUNNER_FILE, home.runners_problem);
		return;
	}
	foreach(cell, home.runners->runners)
	{
		VibeRunner *runner = lfirst(cell);

		usable += runner->problem == NULL;
		if (runner->problem != NULL && problem == NULL)
			problem = psprintf("runner \"%s\": %s", runner->name, runner->problem);
	}
	if (usable > 0 && problem == NULL)
		problem = vibe_verb_problem();
	if (usable > 0)
		set_state(VIBE_RUNNING, problem);
	else
		block(ERRCODE_VIBE_RUNNER_FILE, problem);
}
