/*-------------------------------------------------------------------------
 *
 * verb.c
 *		Runs one transaction of the dispatcher.
 *
 * An error ends the verb, not the dispatcher: the transaction is aborted, the
 * verb is left alone for a while that grows with each failure in a row, and
 * the log gets one line per new reason.  Each transaction has a statement and
 * a lock timeout of its own, so that a lock somebody forgot cannot keep the
 * dispatcher from watching its processes.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "access/xlog.h"
#include "clock.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "replication/syncrep.h"
#include "storage/lwlock.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timeout.h"
#include "verb.h"

#define SWEEP_TIMEOUT_MS 120000
#define LONGEST_RETRY_MS 30000

typedef struct VerbState
{
	const char *name;			/* also what pg_stat_activity shows */
	int			timeout;		/* statement timeout, ms */
	bool		flushed_later;	/* its commit need not be on disk before vibe_verb_flush() */
	int			failures;		/* in a row */
	int64		retry_at;
	char		reason[256];	/* of the last failure; empty: none */
} VerbState;

static VerbState verbs[VERB_COUNT] = {
	[VERB_LISTEN] = {"listening", VIBE_STATEMENT_TIMEOUT_MS},
	[VERB_LOOK] = {"looking for the extension", VIBE_STATEMENT_TIMEOUT_MS},
	[VERB_ATTACH] = {"attaching to the database", VIBE_STATEMENT_TIMEOUT_MS},
	[VERB_TAKE_OVER] = {"taking over", VIBE_STATEMENT_TIMEOUT_MS},
	[VERB_LIVE_RUNS] = {"comparing runs with processes", VIBE_STATEMENT_TIMEOUT_MS},
	[VERB_FINISH] = {"finishing runs", VIBE_STATEMENT_TIMEOUT_MS, true},
	[VERB_SWEEP] = {"sweeping", SWEEP_TIMEOUT_MS},
	[VERB_TIDY] = {"looking for files that nobody needs", VIBE_STATEMENT_TIMEOUT_MS},
	[VERB_PROMOTE] = {"ending back-offs", VIBE_STATEMENT_TIMEOUT_MS},
	[VERB_CLAIM] = {"claiming runs", VIBE_STATEMENT_TIMEOUT_MS, true},
	[VERB_UNCLAIM] = {"looking for paused runs", VIBE_STATEMENT_TIMEOUT_MS},
	[VERB_MARK_STARTED] = {"marking runs as started", VIBE_STATEMENT_TIMEOUT_MS},
	[VERB_NEXT_DUE] = {"asking for the next back-off", VIBE_STATEMENT_TIMEOUT_MS},
	[VERB_NOTIFY] = {"notifying", VIBE_STATEMENT_TIMEOUT_MS},
};

static bool any_transaction = false;
static XLogRecPtr unflushed = InvalidXLogRecPtr;

static void note_failure(VerbState *state, ErrorData *error);

/*
 * One line per new reason: a reason that repeats every few seconds is shown
 * by dispatcher_status(), not by a growing log.
 */
static void
note_failure(VerbState *state, ErrorData *error)
{
	const char *message = error->message ? error->message : "unknown error";

	state->failures++;
	state->retry_at = vibe_monotonic_ms() +
		Min(500L << Min(state->failures, 10), LONGEST_RETRY_MS);
	if (strncmp(state->reason, message, sizeof(state->reason) - 1) == 0)
		return;
	strlcpy(state->reason, message, sizeof(state->reason));
	ereport(LOG,
			(errcode(error->sqlerrcode),
			 errmsg("vibe dispatcher failed while %s: %s", state->name, message),
			 error->detail ? errdetail_internal("%s", error->detail) : 0,
			 error->hint ? errhint("%s", error->hint) : 0,
			 error->context ? errcontext_msg("%s", error->context) : 0));
}

/*
 * Run body in a transaction; false if it failed or is left alone for now.
 * The caller's context is current again afterwards, whatever happened.
 */
bool
vibe_run_verb(VibeVerb verb, VibeVerbBody body, void *arg)
{
	VerbState  *state = &verbs[verb];
	MemoryContext caller = CurrentMemoryContext;
	volatile bool done = false;

	Assert(!IsTransactionState());
	if (state->failures > 0 && vibe_monotonic_ms() < state->retry_at)
		return false;
	any_transaction = true;

	PG_TRY();
	{
		SetCurrentStatementStartTimestamp();
		StartTransactionCommand();
		pgstat_report_activity(STATE_RUNNING, state->name);
		SPI_connect();
		PushActiveSnapshot(GetTransactionSnapshot());
		enable_timeout_after(STATEMENT_TIMEOUT, state->timeout);
		body(arg, caller);
		if (state->flushed_later && synchronous_commit > SYNCHRONOUS_COMMIT_OFF)
			(void) set_config_option("synchronous_commit", "off", PGC_USERSET, PGC_S_SESSION,
									 GUC_ACTION_LOCAL, true, 0, false);
		disable_timeout(STATEMENT_TIMEOUT, false);
		PopActiveSnapshot();
		SPI_finish();
		CommitTransactionCommand();
		if (state->flushed_later)
			unflushed = XactLastCommitEnd;
		done = true;
	}
	PG_CATCH();
	{
		ErrorData  *error;

		/* as in PostgresMain: no interrupt until we are clean again */
		HOLD_INTERRUPTS();
		disable_all_timeouts(false);
		QueryCancelPending = false;
		MemoryContextSwitchTo(caller);
		error = CopyErrorData();
		FlushErrorState();
		AbortCurrentTransaction();
		LWLockReleaseAll();
		MemoryContextSwitchTo(caller);
		note_failure(state, error);
		FreeErrorData(error);
		RESUME_INTERRUPTS();
	}
	PG_END_TRY();

	MemoryContextSwitchTo(caller);
	pgstat_report_activity(STATE_IDLE, NULL);
	if (done)
	{
		state->failures = 0;
		state->reason[0] = '\0';
	}
	return done;
}

/*
 * Have everything on disk, and where commits wait for standbys, there.  Without
 * synchronous_commit only if somebody insists.
 */
void
vibe_verb_flush(bool insist)
{
	if (XLogRecPtrIsInvalid(unflushed))
		return;
	if (insist || synchronous_commit > SYNCHRONOUS_COMMIT_OFF)
	{
		XLogFlush(unflushed);
		HOLD_INTERRUPTS();
		SyncRepWaitForLSN(unflushed, true);
		RESUME_INTERRUPTS();
	}
	unflushed = InvalidXLogRecPtr;
}

/*
 * When the next verb that failed may be tried again.  One that could have
 * been tried before now was not wanted.
 */
int64
vibe_verb_retry_at(int64 now)
{
	int64		nearest = VIBE_NEVER;

	for (int i = 0; i < VERB_COUNT; i++)
	{
		if (verbs[i].failures > 0 && verbs[i].retry_at > now)
			nearest = Min(nearest, verbs[i].retry_at);
	}
	return nearest;
}

/* What fails at present, in the current context, or NULL. */
const char *
vibe_verb_problem(void)
{
	for (int i = 0; i < VERB_COUNT; i++)
	{
		if (verbs[i].failures > 0)
			return psprintf("%s: %s", verbs[i].name, verbs[i].reason);
	}
	return NULL;
}

/* Has there been a transaction since the last call? */
bool
vibe_verb_take_activity(void)
{
	bool		result = any_transaction;

	any_transaction = false;
	return result;
}
