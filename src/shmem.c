/*-------------------------------------------------------------------------
 *
 * shmem.c
 *		Shared state: one slot per configured database.
 *
 * A slot says which dispatcher serves the database, what state it is in, and
 * whether it has been woken.  Committing backends wake it from a transaction
 * callback, where an error would be a PANIC: that path takes a spinlock for a
 * few instructions and nothing else.  What people read (state, problem) is
 * under an ordinary lock.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "errors.h"
#include "funcapi.h"
#include "guc.h"
#include "miscadmin.h"
#include "shmem.h"
#include "storage/ipc.h"
#include "storage/shmem.h"
#include "commands/dbcommands.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

#define TRANCHE_NAME "vibe_orchestrator"
#define STATUS_COLUMNS 7

VibeShared *vibe_shared = NULL;

static shmem_request_hook_type previous_request_hook = NULL;
static shmem_startup_hook_type previous_startup_hook = NULL;

static void request_shmem(void);
static void startup_shmem(void);
static const char *state_name(VibeState state);

PG_FUNCTION_INFO_V1(vibe_dispatcher_status);
PG_FUNCTION_INFO_V1(vibe_dispatcher_pid);

void
vibe_shmem_init(void)
{
	previous_request_hook = shmem_request_hook;
	shmem_request_hook = request_shmem;
	previous_startup_hook = shmem_startup_hook;
	shmem_startup_hook = startup_shmem;
}

static void
request_shmem(void)
{
	if (previous_request_hook)
		previous_request_hook();
	RequestAddinShmemSpace(MAXALIGN(sizeof(VibeShared)));
	RequestNamedLWLockTranche(TRANCHE_NAME, 1);
}

static void
startup_shmem(void)
{
	bool		found;

	if (previous_startup_hook)
		previous_startup_hook();

	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	vibe_shared = ShmemInitStruct("vibe_orchestrator", sizeof(VibeShared), &found);
	if (!found)
	{
		memset(vibe_shared, 0, sizeof(VibeShared));
		vibe_shared->lock = &GetNamedLWLockTranche(TRANCHE_NAME)->lock;
		SpinLockInit(&vibe_shared->launcher_mutex);
		for (int i = 0; i < VIBE_MAX_DATABASES; i++)
		{
			SpinLockInit(&vibe_shared->slots[i].mutex);
			pg_atomic_init_u32(&vibe_shared->slots[i].pending, 0);
			pg_atomic_init_u64(&vibe_shared->slots[i].wakeups, 0);
		}
	}
	LWLockRelease(AddinShmemInitLock);
}

/* Every SQL function that reads shared memory begins with this. */
void
vibe_shmem_require(void)
{
	char	   *database;

	if (vibe_shared != NULL)
		return;
	database = get_database_name(MyDatabaseId);
	ereport(ERROR,
			(errcode(ERRCODE_VIBE_NOT_PRELOADED),
			 errmsg("vibe_orchestrator is not loaded by the server"),
			 errdetail("Agents are started by a background worker, which exists only if the library is loaded at server start."),
			 errhint("Add to postgresql.conf and restart the server:\n"
					 "shared_preload_libraries = 'vibe_orchestrator'\n"
					 "vibe_orchestrator.databases = '%s'",
					 database ? quote_identifier(database) : "")));
}

/* The slot whose dispatcher serves this database, or NULL. */
VibeSlot *
vibe_slot_of_database(Oid database)
{
	if (vibe_shared == NULL || !OidIsValid(database))
		return NULL;
	for (int i = 0; i < VIBE_MAX_DATABASES; i++)
	{
		if (vibe_shared->slots[i].database == database)
			return &vibe_shared->slots[i];
	}
	return NULL;
}

pid_t
vibe_slot_pid(VibeSlot *slot)
{
	pid_t		pid;

	SpinLockAcquire(&slot->mutex);
	pid = slot->pid;
	SpinLockRelease(&slot->mutex);
	return pid;
}

/* False if the slot has a dispatcher already. */
bool
vibe_slot_attach(VibeSlot *slot, Oid database, pid_t pid, Latch *latch)
{
	bool		taken;

	SpinLockAcquire(&slot->mutex);
	taken = slot->pid != 0;
	if (!taken)
	{
		slot->database = database;
		slot->pid = pid;
		slot->latch = latch;
	}
	SpinLockRelease(&slot->mutex);
	if (taken)
		return false;

	LWLockAcquire(vibe_shared->lock, LW_EXCLUSIVE);
	slot->started_at = GetCurrentTimestamp();
	LWLockRelease(vibe_shared->lock);
	return true;
}

/* Runs while the process exits: touches nothing that could fail. */
void
vibe_slot_detach(VibeSlot *slot)
{
	SpinLockAcquire(&slot->mutex);
	slot->database = InvalidOid;
	slot->pid = 0;
	slot->latch = NULL;
	SpinLockRelease(&slot->mutex);
}

/*
 * Tell a dispatcher that something is to be done; true if there is one.
 *
 * Only the first of several wake-ups sets the latch: the dispatcher takes the
 * flag after it has reset its latch, so a flag that was already set is one it
 * has yet to see.  The latch is set outside the spinlock: by then it may
 * belong to another process, which wakes once for nothing.
 */
bool
vibe_slot_wake(VibeSlot *slot, uint32 bits)
{
	Latch	   *latch;
	uint32		before = pg_atomic_fetch_or_u32(&slot->pending, bits);

	SpinLockAcquire(&slot->mutex);
	latch = slot->latch;
	SpinLockRelease(&slot->mutex);
	if (latch != NULL && (before & bits) != bits)
		SetLatch(latch);
	return latch != NULL;
}

/* Publish what dispatcher_status() shows; problem may be NULL. */
void
vibe_slot_report(VibeSlot *slot, VibeState state, const char *problem, int running)
{
	LWLockAcquire(vibe_shared->lock, LW_EXCLUSIVE);
	slot->state = state;
	slot->running = running;
	if (problem == NULL)
		slot->problem[0] = '\0';
	else
	{
		int			length = pg_mbcliplen(problem, strlen(problem), VIBE_PROBLEM_LENGTH - 1);

		memcpy(slot->problem, problem, length);
		slot->problem[length] = '\0';
	}
	LWLockRelease(vibe_shared->lock);
}

void
vibe_launcher_set_latch(Latch *latch)
{
	SpinLockAcquire(&vibe_shared->launcher_mutex);
	vibe_shared->launcher_latch = latch;
	SpinLockRelease(&vibe_shared->launcher_mutex);
}

/*
 * A dispatcher that ends wakes the launcher itself: the launcher that started
 * it, which the postmaster would tell, may have been replaced meanwhile.
 */
void
vibe_launcher_wake(void)
{
	Latch	   *latch;

	SpinLockAcquire(&vibe_shared->launcher_mutex);
	latch = vibe_shared->launcher_latch;
	SpinLockRelease(&vibe_shared->launcher_mutex);
	if (latch != NULL)
		SetLatch(latch);
}

static const char *
state_name(VibeState state)
{
	switch (state)
	{
		case VIBE_STARTING:
			return "starting";
		case VIBE_NO_EXTENSION:
			return "no_extension";
		case VIBE_FOREIGN:
			return "foreign";
		case VIBE_BLOCKED:
			return "blocked";
		case VIBE_RUNNING:
			return "running";
	}
	return "unknown";
}

/*
 * vibe.dispatcher_status(): one row per configured database.
 *
 * The slot is copied under the lock and formatted afterwards, so a reader
 * that runs out of memory holds nobody up.
 */
Datum
vibe_dispatcher_status(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;

	vibe_shmem_require();
	InitMaterializedSRF(fcinfo, 0);
	for (int i = 0; i < VIBE_MAX_DATABASES; i++)
	{
		VibeSlot   *slot = &vibe_shared->slots[i];
		VibeSlot	copy;
		pid_t		pid = vibe_slot_pid(slot);
		Datum		values[STATUS_COLUMNS] = {0};
		bool		nulls[STATUS_COLUMNS] = {0};

		LWLockAcquire(vibe_shared->lock, LW_SHARED);
		memcpy(&copy, slot, sizeof(VibeSlot));
		LWLockRelease(vibe_shared->lock);
		if (NameStr(copy.name)[0] == '\0' || !vibe_database_is_configured(NameStr(copy.name)))
			continue;

		values[0] = CStringGetTextDatum(NameStr(copy.name));
		values[1] = Int32GetDatum(pid);
		nulls[1] = pid == 0;
		/* what a dispatcher last said is not true of the one to come */
		if (pid == 0 && copy.state != VIBE_BLOCKED)
			copy.state = VIBE_STARTING;
		values[2] = CStringGetTextDatum(state_name(copy.state));
		nulls[3] = copy.problem[0] == '\0';
		if (!nulls[3])
			values[3] = CStringGetTextDatum(copy.problem);
		values[4] = Int32GetDatum(copy.running);
		values[5] = Int64GetDatum(pg_atomic_read_u64(&slot->wakeups));
		values[6] = TimestampTzGetDatum(copy.started_at);
		nulls[6] = copy.started_at == 0;
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}
	return (Datum) 0;
}

/* vibe._dispatcher_pid(): NULL when this database has none. */
Datum
vibe_dispatcher_pid(PG_FUNCTION_ARGS)
{
	VibeSlot   *slot = vibe_slot_of_database(MyDatabaseId);
	pid_t		pid = slot != NULL ? vibe_slot_pid(slot) : 0;

	if (pid == 0)
		PG_RETURN_NULL();
	PG_RETURN_INT32(pid);
}
