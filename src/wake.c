/*-------------------------------------------------------------------------
 *
 * wake.c
 *		vibe._wake(): wake the dispatcher when this transaction commits.
 *
 * The latch is set in a transaction callback, after the commit has become
 * visible, at most once per transaction and without any lock that a commit
 * could wait for.  NOTIFY is sent only for completions and only if wanted: it
 * takes a cluster-wide lock across the WAL flush.
 *
 * Every wake-up is a hint.  One from a subtransaction that was rolled back is
 * kept (it costs a look at the queue), one of a prepared transaction is lost
 * (the dispatcher's timer finds the work).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/objectaccess.h"
#include "catalog/pg_extension.h"
#include "commands/async.h"
#include "fmgr.h"
#include "guc.h"
#include "miscadmin.h"
#include "shmem.h"
#include "wake.h"

static uint32 wake_bits = 0;	/* what this transaction will announce */
static bool callback_registered = false;
static uint32 *diverted = NULL; /* set in a dispatcher: its own wake-ups */

static object_access_hook_type previous_access_hook = NULL;

static void announce(uint32 bits);
static void extension_changed(ObjectAccessType access, Oid classId, Oid objectId,
							  int subId, void *arg);
static void wake_at_commit(XactEvent event, void *arg);

PG_FUNCTION_INFO_V1(vibe_wake);

/*
 * An extension that is created, updated or dropped may be ours: the dispatcher
 * looks at the end of that transaction instead of at its next poll, so that no
 * agent outlives the tables it works for.
 */
void
vibe_wake_init(void)
{
	previous_access_hook = object_access_hook;
	object_access_hook = extension_changed;
}

static void
extension_changed(ObjectAccessType access, Oid classId, Oid objectId, int subId, void *arg)
{
	if (previous_access_hook)
		previous_access_hook(access, classId, objectId, subId, arg);
	if (classId == ExtensionRelationId &&
		(access == OAT_POST_CREATE || access == OAT_POST_ALTER || access == OAT_DROP))
		announce(VIBE_PENDING_EXTENSION);
}

/* Have this transaction wake the dispatcher if it commits. */
static void
announce(uint32 bits)
{
	if (!callback_registered)
	{
		RegisterXactCallback(wake_at_commit, NULL);
		callback_registered = true;
	}
	wake_bits |= bits;
}

/*
 * The dispatcher's own transactions announce themselves to it here, instead
 * of by its latch: it goes on to look at the queue in the same turn anyway.
 */
void
vibe_wake_divert_to(uint32 *bits)
{
	diverted = bits;
}

static void
wake_at_commit(XactEvent event, void *arg)
{
	uint32		bits = wake_bits;
	VibeSlot   *slot;

	if (bits == 0)
		return;
	switch (event)
	{
		case XACT_EVENT_COMMIT:
			wake_bits = 0;
			if (diverted != NULL)
			{
				*diverted |= bits;
				break;
			}
			slot = vibe_slot_of_database(MyDatabaseId);
			if (slot != NULL)
				(void) vibe_slot_wake(slot, bits);
			break;
		case XACT_EVENT_ABORT:
		case XACT_EVENT_PREPARE:
			wake_bits = 0;
			break;
		default:
			break;
	}
}

/*
 * vibe._wake(completed): true if a dispatcher serves this database.
 *
 * A dispatcher's own completions are told to listeners by itself, once a turn.
 * Without preloading there is nobody to wake in this server, but NOTIFY still
 * tells outside listeners.
 */
Datum
vibe_wake(PG_FUNCTION_ARGS)
{
	bool		completed = !PG_ARGISNULL(0) && PG_GETARG_BOOL(0);
	VibeSlot   *slot;

	if (completed && vibe_notify == VIBE_NOTIFY_COMMIT && diverted == NULL)
		Async_Notify(VIBE_CHANNEL, "");
	if (vibe_shared == NULL)
		PG_RETURN_BOOL(false);

	announce(VIBE_PENDING_WORK | (completed ? VIBE_PENDING_COMPLETED : 0));
	slot = vibe_slot_of_database(MyDatabaseId);
	PG_RETURN_BOOL(slot != NULL && vibe_slot_pid(slot) != 0);
}
