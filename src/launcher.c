/*-------------------------------------------------------------------------
 *
 * launcher.c
 *		Keeps one dispatcher alive per configured database.
 *
 * Two kinds of workers are needed because a background worker is bound to
 * one database for life, and the list of databases can change by reload.  The
 * launcher is registered at server start and connected to no database: it
 * sees the shared catalogs only, which is enough to tell whether a database
 * exists.  A dispatcher whose database leaves the list ends by itself.
 *
 * A worker that crashes takes the whole server through recovery, and static
 * workers then start again at once, whatever their restart time says.  A bug
 * that crashes at every start would be an endless loop of recoveries in which
 * no client can work.  Shared memory does not survive that, so unclean starts
 * are counted in a file, and from some number on the launcher waits before it
 * starts anything.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <time.h>
#include <unistd.h>

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/pg_database.h"
#include "clock.h"
#include "compat.h"
#include "dispatcher.h"
#include "guc.h"
#include "launcher.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "shmem.h"
#include "storage/fd.h"
#include "storage/ipc.h"
#include "storage/lmgr.h"
#include "storage/lock.h"
#include "storage/sinval.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/guc.h"
#include "utils/rel.h"

#define STARTS_FILE "vibe_orchestrator.starts"	/* in the data directory */
#define FREE_UNCLEAN_STARTS 5
#define STABLE_AFTER_S 300
#define LONGEST_BRAKE_S 60
#define LONGEST_BACKOFF_MS 60000
#define STABLE_DISPATCHER_MS 60000
#define MISSING_DATABASE_MS 2000

typedef enum DatabaseLook
{
	DATABASE_EXISTS,
	DATABASE_MISSING,
	DATABASE_BUSY				/* being created, renamed or dropped */
} DatabaseLook;

/* what the launcher knows about a slot; index as in VibeShared.slots */
typedef struct Charge
{
	BackgroundWorkerHandle *handle; /* of the dispatcher it registered */
	int64		registered_at;
	int64		retry_at;		/* not before this */
	int			failures;		/* in a row */
	bool		missing_said;
	bool		full_said;
} Charge;

static Charge charges[VIBE_MAX_DATABASES];
static int64 brake_until = 0;

static void launcher_exit(int code, Datum arg);
static void write_starts(int count);
static int	read_starts(int64 *last);
static void set_brake(void);
static int	slot_for_name(const char *name);
static Oid	find_database(const char *name);
static DatabaseLook look_for_database(const char *name);
static void dispatcher_ended(Charge *charge, int64 now);
static void start_dispatcher(int index, int64 now);
static void look_after(int index, int64 now);
static int64 launcher_turn(void);

/* Called while the library is being preloaded. */
void
vibe_launcher_register(void)
{
	BackgroundWorker worker;

	memset(&worker, 0, sizeof(worker));
	worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
	worker.bgw_restart_time = 5;
	strlcpy(worker.bgw_library_name, "vibe_orchestrator", sizeof(worker.bgw_library_name));
	strlcpy(worker.bgw_function_name, "vibe_launcher_main", sizeof(worker.bgw_function_name));
	strlcpy(worker.bgw_name, "vibe launcher", sizeof(worker.bgw_name));
	strlcpy(worker.bgw_type, "vibe launcher", sizeof(worker.bgw_type));
	RegisterBackgroundWorker(&worker);
}

void
vibe_launcher_main(Datum arg)
{
	uint32		wait_event;
	MemoryContext turn_context;

	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGTERM, SignalHandlerForShutdownRequest);
	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnection(NULL, NULL, 0);
	before_shmem_exit(launcher_exit, (Datum) 0);
	vibe_launcher_set_latch(MyLatch);
	wait_event = vibe_wait_event("VibeLauncherMain");
	turn_context = AllocSetContextCreate(TopMemoryContext, "vibe launcher turn",
										 ALLOCSET_SMALL_SIZES);

	if (PostmasterPid == 1)
		ereport(WARNING,
				(errmsg("the server runs as process 1 of its container"),
				 errdetail("It then adopts every orphaned process, and one that is killed makes the server restart."),
				 errhint("Start the container with an init process, for example \"docker run --init\".")));
	set_brake();

	while (!ShutdownRequestPending)
	{
		int64		deadline;
		int64		now;
		long		timeout;

		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
		if (catchupInterruptPending)
			ProcessCatchupInterrupt();
		if (ConfigReloadPending)
		{
			ConfigReloadPending = false;
			ProcessConfigFile(PGC_SIGHUP);
		}
		MemoryContextReset(turn_context);
		MemoryContextSwitchTo(turn_context);
		deadline = launcher_turn();
		now = vibe_monotonic_ms();
		timeout = deadline == VIBE_NEVER ? -1 : (long) Max(deadline - now, 0);
		(void) WaitLatch(MyLatch,
						 WL_LATCH_SET | WL_EXIT_ON_PM_DEATH | (timeout >= 0 ? WL_TIMEOUT : 0),
						 timeout, wait_event);
	}
	/* a clean end; status 1, since a worker that ends with 0 is forgotten */
	(void) unlink(STARTS_FILE);
	proc_exit(1);
}

static void
launcher_exit(int code, Datum arg)
{
	vibe_launcher_set_latch(NULL);
}

/*
 * The file holds the number of unclean starts in a row and the time of the
 * last one.  It need not survive a power failure, so it is not fsynced; if it
 * cannot be written, there is no brake, which is said once.
 */
static void
write_starts(int count)
{
	FILE	   *file = AllocateFile(STARTS_FILE, PG_BINARY_W);

	if (file == NULL)
	{
		ereport(LOG,
				(errcode_for_file_access(),
				 errmsg("could not write file \"%s\": %m", STARTS_FILE)));
		return;
	}
	fprintf(file, "%d " INT64_FORMAT "\n", count, (int64) time(NULL));
	FreeFile(file);
}

/* The count of the file, 0 if there is none or it makes no sense. */
static int
read_starts(int64 *last)
{
	FILE	   *file = AllocateFile(STARTS_FILE, PG_BINARY_R);
	char		line[64] = "";
	int			count = 0;
	long long	stamp = 0;

	if (file == NULL)
		return 0;
	if (fgets(line, sizeof(line), file) == NULL ||
		sscanf(line, "%d %lld", &count, &stamp) != 2 || count < 0 || count > 1000000)
		count = 0;
	FreeFile(file);
	*last = stamp;
	return count;
}

/* Count this start; hold back if too many before it ended uncleanly. */
static void
set_brake(void)
{
	int64		last = 0;
	int			count = read_starts(&last);
	int64		age = (int64) time(NULL) - last;
	int			delay;

	/* a clock that went backwards must not release the brake */
	count = age > STABLE_AFTER_S ? 1 : count + 1;
	write_starts(count);
	if (count <= FREE_UNCLEAN_STARTS)
		return;
	delay = Min(1 << Min(count - FREE_UNCLEAN_STARTS, 10), LONGEST_BRAKE_S);
	brake_until = vibe_monotonic_ms() + (int64) delay * 1000;
	ereport(LOG,
			(errmsg("vibe launcher waits %d s before it starts dispatchers", delay),
			 errdetail("It has started %d times in a row without a clean end of the server before.", count),
			 errhint("The server log above says what crashed.")));
}

/* The slot of a name, taken if it has none; -1 if all are taken. */
static int
slot_for_name(const char *name)
{
	int			found = -1;

	LWLockAcquire(vibe_shared->lock, LW_EXCLUSIVE);
	for (int i = 0; i < VIBE_MAX_DATABASES && found < 0; i++)
	{
		VibeSlot   *slot = &vibe_shared->slots[i];

		if (NameStr(slot->name)[0] == '\0')
		{
			namestrcpy(&slot->name, name);
			slot->state = VIBE_STARTING;
			found = i;
		}
		else if (strcmp(NameStr(slot->name), name) == 0)
			found = i;
	}
	LWLockRelease(vibe_shared->lock);
	return found;
}

/*
 * The oid of a database.  Read without an index: in a worker that is connected
 * to no database the indexes of shared catalogs are known only if an earlier
 * session left a cache file, which the first start after initdb does not have.
 */
static Oid
find_database(const char *name)
{
	Relation	relation = table_open(DatabaseRelationId, AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;
	Oid			database = InvalidOid;

	ScanKeyInit(&key, Anum_pg_database_datname, BTEqualStrategyNumber, F_NAMEEQ,
				CStringGetDatum(name));
	scan = systable_beginscan(relation, InvalidOid, false, NULL, 1, &key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
		database = ((Form_pg_database) GETSTRUCT(tuple))->oid;
	systable_endscan(scan);
	table_close(relation, AccessShareLock);
	return database;
}

/*
 * Is the database there, and is nobody about to drop it?  DROP DATABASE ...
 * WITH (FORCE) ends the dispatcher while it holds the database's lock; a new
 * one started now would wait for that lock and fail with FATAL.
 */
static DatabaseLook
look_for_database(const char *name)
{
	DatabaseLook look = DATABASE_EXISTS;
	MemoryContext old = CurrentMemoryContext;
	Oid			database;
	LOCKTAG		tag;

	StartTransactionCommand();
	database = find_database(name);
	if (!OidIsValid(database))
		look = DATABASE_MISSING;
	else
	{
		SET_LOCKTAG_OBJECT(tag, InvalidOid, DatabaseRelationId, database, 0);
		if (LockAcquire(&tag, AccessShareLock, false, true) == LOCKACQUIRE_NOT_AVAIL)
			look = DATABASE_BUSY;
		else
			LockRelease(&tag, AccessShareLock, false);
	}
	CommitTransactionCommand();
	MemoryContextSwitchTo(old);
	return look;
}

/* A dispatcher that soon ends again is started later and later. */
static void
dispatcher_ended(Charge *charge, int64 now)
{
	pfree(charge->handle);
	charge->handle = NULL;
	if (now - charge->registered_at > STABLE_DISPATCHER_MS)
		charge->failures = 0;
	charge->failures++;
	charge->retry_at = now + Min(1000L << Min(charge->failures - 1, 10), LONGEST_BACKOFF_MS);
}

static void
start_dispatcher(int index, int64 now)
{
	Charge	   *charge = &charges[index];
	BackgroundWorker worker;
	MemoryContext old;
	bool		registered;

	memset(&worker, 0, sizeof(worker));
	worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
	worker.bgw_restart_time = BGW_NEVER_RESTART;
	strlcpy(worker.bgw_library_name, "vibe_orchestrator", sizeof(worker.bgw_library_name));
	strlcpy(worker.bgw_function_name, "vibe_dispatcher_main", sizeof(worker.bgw_function_name));
	snprintf(worker.bgw_name, sizeof(worker.bgw_name), "vibe dispatcher: %s",
			 NameStr(vibe_shared->slots[index].name));
	strlcpy(worker.bgw_type, "vibe dispatcher", sizeof(worker.bgw_type));
	worker.bgw_main_arg = Int32GetDatum(index);
	worker.bgw_notify_pid = MyProcPid;

	old = MemoryContextSwitchTo(TopMemoryContext);
	registered = RegisterDynamicBackgroundWorker(&worker, &charge->handle);
	MemoryContextSwitchTo(old);
	charge->registered_at = now;
	if (registered)
	{
		charge->full_said = false;
		return;
	}

	charge->handle = NULL;
	charge->failures++;
	charge->retry_at = now + Min(1000L << Min(charge->failures - 1, 10), LONGEST_BACKOFF_MS);
	vibe_slot_report(&vibe_shared->slots[index], VIBE_BLOCKED,
					 "no free background worker: increase max_worker_processes", 0);
	if (!charge->full_said)
		ereport(LOG,
				(errmsg("could not start a dispatcher for database \"%s\": no free background worker",
						NameStr(vibe_shared->slots[index].name)),
				 errhint("Increase max_worker_processes.")));
	charge->full_said = true;
}

/* Start the dispatcher of this slot if it is missing and due. */
static void
look_after(int index, int64 now)
{
	Charge	   *charge = &charges[index];
	VibeSlot   *slot = &vibe_shared->slots[index];
	pid_t		pid;

	if (charge->handle != NULL)
	{
		if (GetBackgroundWorkerPid(charge->handle, &pid) != BGWH_STOPPED)
			return;
		dispatcher_ended(charge, now);
	}
	/* one that an earlier launcher started */
	if (vibe_slot_pid(slot) != 0)
		return;
	if (now < charge->retry_at || now < brake_until)
		return;

	switch (look_for_database(NameStr(slot->name)))
	{
		case DATABASE_EXISTS:
			charge->missing_said = false;
			start_dispatcher(index, now);
			break;
		case DATABASE_BUSY:
			charge->retry_at = now + 1000;
			break;
		case DATABASE_MISSING:
			charge->retry_at = now + MISSING_DATABASE_MS;
			charge->failures = 0;
			if (!charge->missing_said)
				ereport(LOG,
						(errmsg("database \"%s\" of vibe_orchestrator.databases does not exist",
								NameStr(slot->name)),
						 errdetail("A dispatcher is started when it is created.")));
			charge->missing_said = true;
			vibe_slot_report(slot, VIBE_BLOCKED, "the database does not exist", 0);
			break;
	}
}

/* Look after every configured database; when to look again. */
static int64
launcher_turn(void)
{
	static bool too_many_said = false;
	List	   *names = vibe_configured_databases();
	int64		now = vibe_monotonic_ms();
	int64		deadline = VIBE_NEVER;
	bool		configured[VIBE_MAX_DATABASES] = {false};
	ListCell   *cell;

	foreach(cell, names)
	{
		int			index = slot_for_name((char *) lfirst(cell));

		if (index >= 0)
			configured[index] = true;
		else if (!too_many_said)
		{
			ereport(LOG,
					(errmsg("vibe_orchestrator.databases has named more than %d databases since server start",
							VIBE_MAX_DATABASES)));
			too_many_said = true;
		}
	}

	for (int i = 0; i < VIBE_MAX_DATABASES; i++)
	{
		if (!configured[i])
		{
			if (charges[i].handle != NULL)
				pfree(charges[i].handle);
			memset(&charges[i], 0, sizeof(Charge));
			continue;
		}
		look_after(i, now);
		if (charges[i].handle == NULL && vibe_slot_pid(&vibe_shared->slots[i]) == 0)
			deadline = Min(deadline, Max(charges[i].retry_at, brake_until));
	}
	return deadline;
}
