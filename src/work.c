/*-------------------------------------------------------------------------
 *
 * work.c
 *		The dispatcher's door to the database.
 *
 * Each verb is one call of one SQL function in one short transaction; what it
 * returns is copied into the caller's context before the transaction ends.
 * The dispatcher knows no table.
 *
 * How a transaction is run, and what happens when it fails, is in verb.c.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/transam.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "clock.h"
#include "commands/async.h"
#include "errors.h"
#include "executor/spi.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/lwlock.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#include "utils/snapmgr.h"
#include "utils/timeout.h"
#include "utils/timestamp.h"
#include "verb.h"
#include "wake.h"
#include "work.h"

#define OVERDUE_RETRY_MS 1000
#define MAX_PLANS 24			/* more than there are statements here */

/* A statement is a literal of this file, so its address names it. */
typedef struct PreparedPlan
{
	const char *sql;
	SPIPlanPtr	plan;
}			PreparedPlan;

static PreparedPlan plans[MAX_PLANS];
static int	plan_count = 0;

static SPIPlanPtr prepared(const char *sql, int nargs, Oid *types);
static void call(const char *sql, int nargs, Oid *types, Datum *values);
static char *text_column(HeapTuple row, int column, MemoryContext caller);
static Datum int64_array(const int64 *values, int count);
static Datum text_array(char **texts, int count);
static bool is_still_alone(TransactionId xid);

/*
 * Each statement is parsed and planned once per dispatcher.  A plan looks by
 * itself whether what it refers to was replaced, so it outlives the extension.
 */
static SPIPlanPtr
prepared(const char *sql, int nargs, Oid *types)
{
	SPIPlanPtr	plan;

	for (int i = 0; i < plan_count; i++)
	{
		if (plans[i].sql == sql)
			return plans[i].plan;
	}
	plan = SPI_prepare(sql, nargs, types);
	if (plan == NULL)
		elog(ERROR, "could not prepare \"%s\": %s", sql, SPI_result_code_string(SPI_result));
	if (plan_count < MAX_PLANS && SPI_keepplan(plan) == 0)
	{
		plans[plan_count].sql = sql;
		plans[plan_count++].plan = plan;
	}
	return plan;
}

static void
call(const char *sql, int nargs, Oid *types, Datum *values)
{
	int			rc = SPI_execute_plan(prepared(sql, nargs, types), values, NULL, false, 0);

	if (rc != SPI_OK_SELECT)
		elog(ERROR, "could not execute \"%s\": %s", sql, SPI_result_code_string(rc));
}

/* A text column of a result row, in the caller's context; NULL if null. */
static char *
text_column(HeapTuple row, int column, MemoryContext caller)
{
	char	   *value = SPI_getvalue(row, SPI_tuptable->tupdesc, column);

	return value != NULL ? MemoryContextStrdup(caller, value) : NULL;
}

static Datum
int64_array(const int64 *values, int count)
{
	Datum	   *elements = palloc(count * sizeof(Datum));

	for (int i = 0; i < count; i++)
		elements[i] = Int64GetDatum(values[i]);
	return PointerGetDatum(construct_array(elements, count, INT8OID, sizeof(int64),
										   FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
}

static void
listen_body(void *arg, MemoryContext caller)
{
	Async_Listen(VIBE_CHANNEL);
}

/* SQL LISTEN is refused in a background worker; the function behind it is not. */
bool
vibe_work_listen(void)
{
	return vibe_run_verb(VERB_LISTEN, listen_body, NULL);
}

/* The installed extension, left as it is if there is none. */
static void
look_up_extension(VibeExtension *extension)
{
	bool		isnull;

	call("SELECT oid, extversion FROM pg_catalog.pg_extension WHERE extname = 'vibe_orchestrator'",
		 0, NULL, NULL);
	if (SPI_processed == 0)
		return;
	extension->oid = DatumGetObjectId(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc,
													1, &isnull));
	strlcpy(extension->version, SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 2),
			sizeof(extension->version));
}

static void
look_body(void *arg, MemoryContext caller)
{
	look_up_extension(arg);
}

/* Is the extension installed?  Absence is a result, not an error. */
bool
vibe_work_look(VibeExtension *extension)
{
	memset(extension, 0, sizeof(VibeExtension));
	return vibe_run_verb(VERB_LOOK, look_body, extension);
}

static void
attach_body(void *arg, MemoryContext caller)
{
	char	   *answer;

	call("SELECT vibe._attach_dispatcher()", 0, NULL, NULL);
	answer = SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1);
	*(bool *) arg = answer != NULL && strcmp(answer, "home") == 0;
}

/* Does this database belong to this server? */
bool
vibe_work_attach(bool *home)
{
	*home = false;
	return vibe_run_verb(VERB_ATTACH, attach_body, home);
}

static void
take_over_body(void *arg, MemoryContext caller)
{
	call("SELECT vibe.take_over()", 0, NULL, NULL);
}

bool
vibe_work_take_over(void)
{
	return vibe_run_verb(VERB_TAKE_OVER, take_over_body, NULL);
}

typedef struct LiveRunsArg
{
	bool		only_closed;
	List	   *runs;
} LiveRunsArg;

static void
live_runs_body(void *arg, MemoryContext caller)
{
	LiveRunsArg *live = arg;
	Oid			types[] = {BOOLOID};
	Datum		values[] = {BoolGetDatum(live->only_closed)};
	MemoryContext old;

	call("SELECT run_id, closed, outcome, runner, task_id FROM vibe._live_runs($1)", 1, types, values);
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		HeapTuple	row = SPI_tuptable->vals[i];
		VibeLiveRun *run = MemoryContextAllocZero(caller, sizeof(VibeLiveRun));
		bool		isnull;

		run->run_id = DatumGetInt64(SPI_getbinval(row, SPI_tuptable->tupdesc, 1, &isnull));
		run->closed = DatumGetBool(SPI_getbinval(row, SPI_tuptable->tupdesc, 2, &isnull)) && !isnull;
		run->outcome = text_column(row, 3, caller);
		run->runner = text_column(row, 4, caller);
		run->task_id = DatumGetInt64(SPI_getbinval(row, SPI_tuptable->tupdesc, 5, &isnull));
		if (isnull)
			run->task_id = 0;
		old = MemoryContextSwitchTo(caller);
		live->runs = lappend(live->runs, run);
		MemoryContextSwitchTo(old);
	}
}

/* Dispatched runs whose process has no recorded end. */
bool
vibe_work_live_runs(bool only_closed, List **runs)
{
	LiveRunsArg arg = {only_closed, NIL};
	bool		done = vibe_run_verb(VERB_LIVE_RUNS, live_runs_body, &arg);

	*runs = arg.runs;
	return done;
}

static void
sweep_body(void *arg, MemoryContext caller)
{
	call("SELECT vibe.sweep()", 0, NULL, NULL);
}

bool
vibe_work_sweep(void)
{
	return vibe_run_verb(VERB_SWEEP, sweep_body, NULL);
}

typedef struct UnneededArg
{
	bool		workspaces;
	int64	   *ids;
	int			count;
	int			retention;
	bool		unknown;
	int64	   *unneeded;
	int			unneeded_count;
} UnneededArg;

static void
unneeded_body(void *arg, MemoryContext caller)
{
	UnneededArg *a = arg;
	Oid			types[] = {INT8ARRAYOID, INT4OID, BOOLOID};
	Datum		values[] = {int64_array(a->ids, a->count), Int32GetDatum(a->retention), BoolGetDatum(a->unknown)};
	bool		isnull;

	if (a->workspaces)
		call("SELECT vibe._unneeded_workspaces($1, $2, $3)", 3, types, values);
	else
		call("SELECT vibe._unneeded_run_files($1)", 1, types, values);
	a->unneeded = MemoryContextAlloc(caller, (SPI_processed + 1) * sizeof(int64));
	for (uint64 i = 0; i < SPI_processed; i++)
		a->unneeded[a->unneeded_count++] =
			DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1, &isnull));
}

/* Of these tasks (or runs): those whose workspace (or files) nobody needs any more. */
bool
vibe_work_unneeded(bool workspaces, int64 *ids, int count, int retention, bool unknown,
				   int64 **unneeded, int *unneeded_count)
{
	UnneededArg arg = {workspaces, ids, count, retention, unknown, NULL, 0};
	bool		done = vibe_run_verb(VERB_TIDY, unneeded_body, &arg);

	*unneeded = arg.unneeded;
	*unneeded_count = done ? arg.unneeded_count : 0;
	return done;
}

static void
promote_body(void *arg, MemoryContext caller)
{
	call("SELECT vibe._promote_due()", 0, NULL, NULL);
}

bool
vibe_work_promote_due(void)
{
	return vibe_run_verb(VERB_PROMOTE, promote_body, NULL);
}

static void
next_due_body(void *arg, MemoryContext caller)
{
	int64	   *deadline = arg;
	bool		isnull;
	Datum		due;
	int64		left;

	call("SELECT vibe._next_due()", 0, NULL, NULL);
	due = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull);
	if (isnull || TIMESTAMP_NOT_FINITE(DatumGetTimestampTz(due)))
		return;
	left = (DatumGetTimestampTz(due) - vibe_clock_now()) / 1000 + 1;
	/* what is due and yet was not promoted just now must not make us spin */
	*deadline = vibe_monotonic_ms() + (left > 0 ? left : OVERDUE_RETRY_MS);
}

/* When the next back-off ends, on the monotonic clock; VIBE_NEVER if none. */
bool
vibe_work_next_due(int64 *deadline)
{
	*deadline = VIBE_NEVER;
	return vibe_run_verb(VERB_NEXT_DUE, next_due_body, deadline);
}

static void
notify_body(void *arg, MemoryContext caller)
{
	Async_Notify(VIBE_CHANNEL, "");
}

/* For outside listeners, with notify = worker. */
bool
vibe_work_notify(void)
{
	return vibe_run_verb(VERB_NOTIFY, notify_body, NULL);
}

typedef struct ClaimArg
{
	VibeSlots  *slots;
	int			max_runs;
	List	   *runs;
	bool		more;
	TransactionId alone;		/* its xid, if nobody else had one at its start; else invalid */
} ClaimArg;

/* An array of texts, some of which may be NULL. */
static Datum
text_array(char **texts, int count)
{
	Datum	   *values = palloc(count * sizeof(Datum));
	bool	   *nulls = palloc(count * sizeof(bool));
	int			lower = 1;

	for (int i = 0; i < count; i++)
	{
		nulls[i] = texts[i] == NULL;
		values[i] = nulls[i] ? (Datum) 0 : CStringGetTextDatum(texts[i]);
	}
	return PointerGetDatum(construct_md_array(values, nulls, 1, &count, &lower,
											  TEXTOID, -1, false, TYPALIGN_INT));
}

/*
 * The extension may have been updated since the last look.  Seen from here,
 * after the claim and in a snapshot of its own, it is the one that claimed.
 */
static void
check_version(void)
{
	VibeExtension extension = {0};

	look_up_extension(&extension);
	if (strcmp(extension.version, VIBE_VERSION) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_VIBE_VERSIONS_DIFFER),
				 errmsg("library and extension versions differ"),
				 errdetail("The library is version %s, the extension %s.",
						   VIBE_VERSION, extension.version),
				 errhint("SELECT * FROM vibe.dispatcher_status() says what is to be done.")));
}

static void
claim_body(void *arg, MemoryContext caller)
{
	ClaimArg   *claim = arg;
	VibeSlots  *slots = claim->slots;
	Oid			types[] = {TEXTARRAYOID, INT4ARRAYOID, INT4OID, TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID};
	Datum		values[6];
	Datum	   *free = palloc(slots->count * sizeof(Datum));
	Snapshot	begin = GetActiveSnapshot();
	MemoryContext old;

	for (int i = 0; i < slots->count; i++)
		free[i] = Int32GetDatum(slots->free[i]);
	values[0] = text_array(slots->runners, slots->count);
	values[1] = PointerGetDatum(construct_array(free, slots->count, INT4OID, sizeof(int32), true, TYPALIGN_INT));
	values[2] = Int32GetDatum(claim->max_runs);
	values[3] = text_array(slots->providers, slots->count);
	values[4] = text_array(slots->fallbacks, slots->count);
	values[5] = text_array(slots->fallback_models, slots->count);

	call("SELECT run_id, runner, run, more FROM vibe._claim_runs($1, $2, $3, $4, $5, $6)", 6, types, values);
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		HeapTuple	row = SPI_tuptable->vals[i];
		VibeClaimedRun *run = MemoryContextAllocZero(caller, sizeof(VibeClaimedRun));
		bool		isnull;
		char	   *json;

		run->run_id = DatumGetInt64(SPI_getbinval(row, SPI_tuptable->tupdesc, 1, &isnull));
		run->runner = text_column(row, 2, caller);
		json = SPI_getvalue(row, SPI_tuptable->tupdesc, 3);
		if (isnull || run->runner == NULL || json == NULL)
			elog(ERROR, "_claim_runs() returned an incomplete row");
		claim->more = DatumGetBool(SPI_getbinval(row, SPI_tuptable->tupdesc, 4, &isnull)) && !isnull;

		/*
		 * The shim reads UTF-8, whatever the database is in.  Where that is unknown, a text that
		 * is not UTF-8 is the shim's to refuse: an error here would undo the claims of all other
		 * runs.
		 */
		if (GetDatabaseEncoding() != PG_SQL_ASCII)
			json = pg_server_to_any(json, strlen(json), PG_UTF8);
		run->run = MemoryContextStrdup(caller, json);
		old = MemoryContextSwitchTo(caller);
		claim->runs = lappend(claim->runs, run);
		MemoryContextSwitchTo(old);
	}
	if (claim->runs != NIL)
		check_version();
	/* a transaction in progress would be in the snapshot, or have the xid that follows it */
	if (begin->xcnt == 0 && begin->subxcnt == 0 && !begin->suboverflowed &&
		GetTopTransactionIdIfAny() == begin->xmax)
		claim->alone = begin->xmax;
}

/* Has no other transaction of the cluster had an xid since this one began? */
static bool
is_still_alone(TransactionId xid)
{
	if (!TransactionIdIsValid(xid))
		return false;
	TransactionIdAdvance(xid);
	return ReadNextTransactionId() == xid;
}

/*
 * Claim runs for these runners.  They are launching when this returns true;
 * on false nothing was claimed.  more: some work was left for a limit, so
 * another call may find other work.  undisturbed: nothing was committed by
 * anybody between the beginning of the claim and its end, so that nothing can
 * have changed that the claim did not see, and whoever changes it from now on
 * sees the claim.
 */
bool
vibe_work_claim(VibeSlots *slots, int max_runs, List **runs, bool *more, bool *undisturbed)
{
	ClaimArg	arg = {slots, max_runs, NIL, false, InvalidTransactionId};
	bool		done = vibe_run_verb(VERB_CLAIM, claim_body, &arg);

	*runs = done ? arg.runs : NIL;
	*more = done && arg.more;
	*undisturbed = done && is_still_alone(arg.alone);
	return done;
}

typedef struct UnclaimArg
{
	int64	   *run_ids;
	int			count;
	int64	   *back;
	int			back_count;
} UnclaimArg;

static void
unclaim_body(void *arg, MemoryContext caller)
{
	UnclaimArg *unclaim = arg;
	Oid			types[] = {INT8ARRAYOID};
	Datum		values[] = {int64_array(unclaim->run_ids, unclaim->count)};
	bool		isnull;

	call("SELECT * FROM vibe._unclaim_paused($1)", 1, types, values);
	unclaim->back = MemoryContextAlloc(caller, (SPI_processed + 1) * sizeof(int64));
	for (uint64 i = 0; i < SPI_processed; i++)
		unclaim->back[unclaim->back_count++] =
			DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1, &isnull));
}

/* Which of these claimed runs are not to be started after all? */
bool
vibe_work_unclaim_paused(int64 *run_ids, int count, int64 **back, int *back_count)
{
	UnclaimArg	arg = {run_ids, count, NULL, 0};
	bool		done = vibe_run_verb(VERB_UNCLAIM, unclaim_body, &arg);

	*back = arg.back;
	*back_count = arg.back_count;
	return done;
}

typedef struct MarkArg
{
	VibeStartedRun *runs;
	int			count;
	const char *boot_id;
	const char *pid_ns;
} MarkArg;

static void
mark_body(void *arg, MemoryContext caller)
{
	MarkArg    *mark = arg;
	Oid			types[] = {INT8ARRAYOID, INT4ARRAYOID, INT8ARRAYOID, TEXTOID, TEXTOID};
	Datum		values[5];
	int64	   *ids = palloc(mark->count * sizeof(int64));
	int64	   *starts = palloc(mark->count * sizeof(int64));
	Datum	   *pids = palloc(mark->count * sizeof(Datum));

	for (int i = 0; i < mark->count; i++)
	{
		ids[i] = mark->runs[i].run_id;
		starts[i] = mark->runs[i].pid_start;
		pids[i] = Int32GetDatum(mark->runs[i].pid);
	}
	values[0] = int64_array(ids, mark->count);
	values[1] = PointerGetDatum(construct_array(pids, mark->count, INT4OID, sizeof(int32), true, TYPALIGN_INT));
	values[2] = int64_array(starts, mark->count);
	values[3] = CStringGetTextDatum(mark->boot_id);
	values[4] = CStringGetTextDatum(mark->pid_ns);
	call("SELECT vibe._mark_started($1, $2, $3, $4, $5)", 5, types, values);
}

/* Record which processes the runs have. */
bool
vibe_work_mark_started(VibeStartedRun *runs, int count, const char *boot_id, const char *pid_ns)
{
	MarkArg		arg = {runs, count, boot_id, pid_ns};

	return vibe_run_verb(VERB_MARK_STARTED, mark_body, &arg);
}

typedef struct FinishArg
{
	VibeFinishItem *items;
	int			count;
} FinishArg;

static void finish_plain(FinishArg *finish, MemoryContext caller);

/* What was noted of a set that was rolled back. */
static void
forget_finished(FinishArg *finish)
{
	for (int i = 0; i < finish->count; i++)
	{
		finish->items[i].finished = false;
		finish->items[i].publish_path = NULL;
	}
}

static void
finish_one(VibeFinishItem *item, MemoryContext caller)
{
	Oid			types[] = {INT8OID, TEXTOID};
	Datum		values[] = {Int64GetDatum(item->run_id), CStringGetTextDatum(item->record)};

	/* the shim writes ASCII; anything else must not enter as text unchecked */
	pg_verifymbstr(item->record, strlen(item->record), false);
	call("SELECT accepted, publish_path FROM vibe._finish_run($1, $2)", 2, types, values);
	item->publish_path = SPI_processed > 0 ? text_column(SPI_tuptable->vals[0], 2, caller) : NULL;
	item->finished = true;
}

/*
 * Sort an error: is it about this record, or about the moment?  Locks,
 * resources, cancellation and a missing function pass or are repaired; what
 * is left will be the same with the same record.
 */
static void
finish_failed(VibeFinishItem *item, ErrorData *error, MemoryContext caller)
{
	int			category = ERRCODE_TO_CATEGORY(error->sqlerrcode);

	item->finished = false;
	item->publish_path = NULL;
	item->unknown = error->sqlerrcode == ERRCODE_VIBE_RUN_NOT_FOUND;
	item->retry = category == ERRCODE_TRANSACTION_ROLLBACK ||
		category == ERRCODE_TO_CATEGORY(ERRCODE_LOCK_NOT_AVAILABLE) ||
		category == ERRCODE_INSUFFICIENT_RESOURCES ||
		category == ERRCODE_OPERATOR_INTERVENTION ||
		category == ERRCODE_SYSTEM_ERROR ||
		category == ERRCODE_INVALID_TRANSACTION_STATE ||
		category == ERRCODE_SYNTAX_ERROR_OR_ACCESS_RULE_VIOLATION;
	item->message = MemoryContextStrdup(caller, error->message ? error->message : "unknown error");
}

/*
 * A run, or (item NULL) the plain ones of all, in a subtransaction, as plpgsql
 * does for EXCEPTION: if it fails, the others stand.
 */
static void
finish_guarded(FinishArg *finish, VibeFinishItem *item, MemoryContext caller)
{
	MemoryContext old = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(old);
	PG_TRY();
	{
		if (item != NULL)
			finish_one(item, caller);
		else
			finish_plain(finish, caller);
		ReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(old);
		CurrentResourceOwner = owner;
	}
	PG_CATCH();
	{
		ErrorData  *error;

		MemoryContextSwitchTo(old);
		error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(old);
		CurrentResourceOwner = owner;
		if (item != NULL)
			finish_failed(item, error, caller);
		else
			forget_finished(finish);
		FreeErrorData(error);
	}
	PG_END_TRY();
}

/* The runs of a batch, as an array. */
static Datum
run_ids_of(FinishArg *finish)
{
	int64	   *ids = palloc(finish->count * sizeof(int64));

	for (int i = 0; i < finish->count; i++)
		ids[i] = finish->items[i].run_id;
	return int64_array(ids, finish->count);
}

/*
 * Those after which just the next step is ready, in a few statements for all of
 * them.  In a subtransaction: on any error they are finished one by one, where
 * it is seen which of them was the reason.
 */
static void
finish_plain(FinishArg *finish, MemoryContext caller)
{
	Oid			types[] = {INT8ARRAYOID, TEXTARRAYOID};
	char	  **records = palloc(finish->count * sizeof(char *));
	Datum		values[2];

	for (int i = 0; i < finish->count; i++)
	{
		records[i] = unconstify(char *, finish->items[i].record);
		pg_verifymbstr(records[i], strlen(records[i]), false);
	}
	values[0] = run_ids_of(finish);
	values[1] = text_array(records, finish->count);
	call("SELECT run_id, publish_path FROM vibe._finish_plain_runs($1, $2)", 2, types, values);
	for (uint64 row = 0; row < SPI_processed; row++)
	{
		bool		isnull;
		int64		run_id = DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, 1, &isnull));

		for (int i = 0; i < finish->count; i++)
		{
			if (finish->items[i].run_id != run_id)
				continue;
			finish->items[i].finished = true;
			finish->items[i].publish_path = text_column(SPI_tuptable->vals[row], 2, caller);
		}
	}
}

/*
 * All tasks first, then one run after the other: a task that ends also locks
 * its campaign, and nobody who has that may wait for a task.
 */
static void
lock_tasks(FinishArg *finish)
{
	Oid			types[] = {INT8ARRAYOID};
	Datum		values[] = {run_ids_of(finish)};

	call("SELECT vibe._lock_runs($1)", 1, types, values);
}

static void
finish_body(void *arg, MemoryContext caller)
{
	FinishArg  *finish = arg;

	if (finish->count > 1)
		lock_tasks(finish);
	finish_guarded(finish, NULL, caller);
	for (int i = 0; i < finish->count; i++)
	{
		if (finish->items[i].finished)
			continue;
		enable_timeout_after(STATEMENT_TIMEOUT, VIBE_STATEMENT_TIMEOUT_MS);
		finish_guarded(finish, &finish->items[i], caller);
	}
}

/*
 * Finish runs in one transaction.  Each item says how it went; false if the
 * transaction as a whole did not commit, so that none of them did.
 */
bool
vibe_work_finish(VibeFinishItem *items, int count)
{
	FinishArg	arg = {items, count};

	return vibe_run_verb(VERB_FINISH, finish_body, &arg);
}
