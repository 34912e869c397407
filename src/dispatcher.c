/*-------------------------------------------------------------------------
 *
 * dispatcher.c
 *		The worker that serves one database.
 *
 * One turn looks at everything: processes that ended, what the database says
 * about them, what became ready, what is due.  Then it waits, with nothing
 * open, for whatever comes first of a wake-up, the end of a process and the
 * nearest deadline.  Wake-ups are hints and may be lost; so a turn happens at
 * least every poll_interval, after every error and after every start.
 *
 * How much of that is allowed in this turn is decided in home.c.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <signal.h>

#include "access/xact.h"
#include "clock.h"
#include "commands/async.h"
#include "compat.h"
#include "dispatcher.h"
#include "finish.h"
#include "guc.h"
#include "home.h"
#include "launch.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "run_directory.h"
#include "run_prune.h"
#include "run_table.h"
#include "shim_process.h"
#include "shmem.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/lwlock.h"
#include "storage/sinval.h"
#include "supervise.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/timeout.h"
#include "verb.h"
#include "wake.h"
#include "work.h"

#define ERROR_PAUSE_MS 1000
#define PRUNE_PAUSE_MS 100
#define TIDY_PAUSE_MS 1000
#define SWEEPS_PER_TIDYING 10

/* what holds for the life of the process, and what the last look found */
typedef struct Dispatcher
{
	VibeSlot   *slot;
	MemoryContext turn_context; /* reset each turn */
	WaitEventSet *wait_set;
	uint32		wait_event;

	bool		usable;			/* runs can be finished */
	bool		may_claim;		/* ... and started */
	bool		look_home;		/* whether they can has to be found out anew */
	int64		poll_at;		/* next look at everything, without a reason */
	int64		sweep_at;
	int64		prune_at;
	int64		tidy_at;		/* next look for files of what is gone */
	int64		due_at;			/* next back-off that ends */
	int64		retry_at;		/* next try of a verb that failed */
	bool		look_now;		/* there is a reason to look */
	bool		owes_notify;	/* a step was completed, and listeners were not told */
} Dispatcher;

static Dispatcher self;
static uint32 own_wakes = 0;	/* by transactions of this process */

static void handle_sigterm(SIGNAL_ARGS);
static void handle_sigchld(SIGNAL_ARGS);
static void dispatcher_exit(int code, Datum arg);
static void override_settings(void);
static void start_up(int index);
static void reload(void);
static void take_turn(void);
static void prepare_turn(void);
static int64 next_deadline(void);
static void wait_for_something(void);

/* ----- signals, start and end ----- */

/*
 * Between turns the flag ends the loop quietly; inside a statement die() ends
 * it at the next interrupt check.  Agents are not told: whether they may go
 * on is decided by the lock on "alive" and by orphan_grace.
 */
static void
handle_sigterm(SIGNAL_ARGS)
{
	int			save_errno = errno;

	ShutdownRequestPending = true;
	die(postgres_signal_arg);
	errno = save_errno;
}

/* Only for processes that have no pidfd. */
static void
handle_sigchld(SIGNAL_ARGS)
{
	int			save_errno = errno;

	SetLatch(MyLatch);
	errno = save_errno;
}

static void
dispatcher_exit(int code, Datum arg)
{
	vibe_slot_detach(self.slot);
	vibe_run_directory_close();
	vibe_launcher_wake();
}

/*
 * Settings a database or role may have, and that would break verbs: they need
 * READ COMMITTED, and timeouts of our own.
 *
 * The same few statements run for years.  All of them look up rows by a key,
 * so one generic plan serves, and it must not be a scan that was chosen while
 * a table was empty.
 */
static void
override_settings(void)
{
	static const char *const overrides[][2] = {
		{"application_name", "vibe dispatcher"},
		{"search_path", "pg_catalog, pg_temp"},
		{"default_transaction_isolation", "read committed"},
		{"default_transaction_read_only", "off"},
		{"default_transaction_deferrable", "off"},
		{"lock_timeout", "5s"},
		{"statement_timeout", "0"},
		{"idle_in_transaction_session_timeout", "0"},
		{"transaction_timeout", "0"},
		{"session_replication_role", "origin"},
		{"plan_cache_mode", "force_generic_plan"},
		{"enable_seqscan", "off"},
		{"jit", "off"},
	};

	for (int i = 0; i < lengthof(overrides); i++)
	{
		if (GetConfigOption(overrides[i][0], true, false) != NULL)
			SetConfigOption(overrides[i][0], overrides[i][1], PGC_SUSET, PGC_S_OVERRIDE);
	}
}

static void
start_up(int index)
{
	memset(&self, 0, sizeof(self));
	self.slot = &vibe_shared->slots[index];

	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGTERM, handle_sigterm);
	pqsignal(SIGCHLD, handle_sigchld);
	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnection(NameStr(self.slot->name), NULL, 0);

	/* an earlier launcher may have started one that this one did not know of */
	if (!vibe_slot_attach(self.slot, MyDatabaseId, MyProcPid, MyLatch))
		proc_exit(0);
	before_shmem_exit(dispatcher_exit, (Datum) 0);
	vibe_slot_report(self.slot, VIBE_STARTING, NULL, 0);
	vibe_home_init(NameStr(self.slot->name));
	override_settings();
	vibe_wake_divert_to(&own_wakes);
	vibe_shim_init();
	vibe_run_table_init();

	self.turn_context = AllocSetContextCreate(TopMemoryContext, "vibe turn",
											  ALLOCSET_DEFAULT_SIZES);
	self.wait_event = vibe_wait_event("VibeDispatcherMain");
	self.wait_set = vibe_create_wait_set(3);
	AddWaitEventToSet(self.wait_set, WL_LATCH_SET, PGINVALID_SOCKET, MyLatch, NULL);
	AddWaitEventToSet(self.wait_set, WL_EXIT_ON_PM_DEATH, PGINVALID_SOCKET, NULL, NULL);
	AddWaitEventToSet(self.wait_set, WL_SOCKET_READABLE, vibe_shim_epoll_fd(), NULL, NULL);
	self.look_now = true;
	self.due_at = VIBE_NEVER;
	self.retry_at = VIBE_NEVER;
	pgstat_report_activity(STATE_IDLE, NULL);
}

static void
reload(void)
{
	ConfigReloadPending = false;
	ProcessConfigFile(PGC_SIGHUP);
	if (!vibe_database_is_configured(NameStr(self.slot->name)))
	{
		ereport(LOG,
				(errmsg("database \"%s\" is no longer in vibe_orchestrator.databases",
						NameStr(self.slot->name))));
		proc_exit(0);
	}
	vibe_home_read_runners();
	self.look_now = true;
	self.look_home = true;
	self.sweep_at = Min(self.sweep_at, vibe_monotonic_ms() + (int64) vibe_sweep_interval * 1000);
	self.tidy_at = self.sweep_at;
}

/* ----- the turn ----- */

/*
 * Once a turn, whatever notify says: in the transactions that end runs it would
 * keep the next one from starting.  What we send comes back to us and is read
 * at once, or it would make a turn of its own; a NOTIFY of somebody else in
 * this very moment is read with it, but verbs wake us by the latch, too.
 */
static void
tell_listeners(void)
{
	bool		others = notifyInterruptPending;

	if (!self.owes_notify)
		return;
	self.owes_notify = false;
	if (vibe_notify == VIBE_NOTIFY_OFF || !vibe_work_notify() || others)
		return;
	ProcessNotifyInterrupt(false);
	MemoryContextSwitchTo(self.turn_context);
}

/*
 * Everything that is to be done now.
 *
 * Between the end of an agent and the start of the next one stand only the
 * statements that they need; the others come after.  Whether the dispatcher
 * may work at all, and whether a back-off ended that it did not know of, is
 * asked when there is a reason to, and at every poll.
 */
static void
take_turn(void)
{
	int64		now = vibe_monotonic_ms();
	bool		full = self.look_home || !self.usable ||
	now >= Min(Min(self.poll_at, self.retry_at), vibe_home_look_again_at());

	self.look_now = false;
	if (full)
	{
		self.poll_at = now + (int64) vibe_poll_interval * 1000;
		self.look_home = false;
		self.usable = vibe_home_look(&self.may_claim);
	}
	if (self.usable)
	{
		vibe_finish_ended();
		if (full || now >= self.due_at)
			(void) vibe_work_promote_due();
		/* what these have made ready is claimed now, and needs no turn of its own */
		self.owes_notify |= (own_wakes & VIBE_PENDING_COMPLETED) != 0;
		own_wakes &= VIBE_PENDING_EXTENSION;
		if (self.may_claim && vibe_launch_claim(vibe_home_runners()))
			self.look_now = true;
		if (vibe_home_may_start())
			vibe_launch_start(vibe_home_runners());
		vibe_launch_mark();
		vibe_verb_flush(false);
		vibe_supervise_end_closed();
		if (now >= self.sweep_at)
		{
			(void) vibe_work_sweep();
			self.sweep_at = now + (int64) vibe_sweep_interval * 1000;
			self.prune_at = now;
		}
		if (now >= self.tidy_at)
			self.tidy_at = now + (vibe_prune_unneeded() ? TIDY_PAUSE_MS :
								  (int64) vibe_sweep_interval * 1000 * SWEEPS_PER_TIDYING);
		(void) vibe_work_next_due(&self.due_at);
		tell_listeners();
	}
	self.retry_at = vibe_verb_retry_at(now);
	vibe_home_report(self.slot);
}

/* Interrupts, reload, notifications, wake-ups: is there a reason to look? */
static void
prepare_turn(void)
{
	uint32		pending;
	int			ended;

	/* a cancel that arrives while nothing runs has nothing to cancel */
	QueryCancelPending = false;
	CHECK_FOR_INTERRUPTS();
	if (ConfigReloadPending)
		reload();
	if (notifyInterruptPending)
	{
		/* read them all, or the queue of the whole cluster cannot advance */
		ProcessNotifyInterrupt(false);
		self.look_now = true;
	}
	if (catchupInterruptPending)
		ProcessCatchupInterrupt();
	/* both have had transactions of their own */
	MemoryContextSwitchTo(self.turn_context);
	pending = pg_atomic_exchange_u32(&self.slot->pending, 0);
	/* with notify = commit, others have told themselves what they completed */
	self.owes_notify |= ((own_wakes | (vibe_notify == VIBE_NOTIFY_WORKER ? pending : 0)) & VIBE_PENDING_COMPLETED) != 0;
	pending |= own_wakes;
	own_wakes = 0;
	if (pending & VIBE_PENDING_EXTENSION)
		self.look_home = true;
	/* in every turn: a dispatcher that is never idle must reap, too */
	ended = vibe_supervise_reap();
	if (pending != 0 || ended > 0)
		self.look_now = true;
}

/* The nearest of everything that waits for a time. */
static int64
next_deadline(void)
{
	int64		deadline = Min(Min(self.poll_at, vibe_home_look_again_at()), self.retry_at);

	if (self.usable)
		deadline = Min(deadline, Min(self.due_at, Min(self.sweep_at, self.tidy_at)));
	return Min(deadline, vibe_finish_deadline(self.usable));
}

/* Do what only needs files and processes, then wait. */
static void
wait_for_something(void)
{
	int64		processes;
	int64		deadline;
	int64		now;
	WaitEvent	event;

	/* what is put away is not read again */
	vibe_verb_flush(false);
	vibe_finish_settle();
	processes = vibe_supervise_keep_time();
	now = vibe_monotonic_ms();
	if (vibe_run_directory_is_open() && now >= self.prune_at)
		self.prune_at = vibe_prune() ? now + PRUNE_PAUSE_MS : VIBE_NEVER;
	if (vibe_verb_take_activity())
		(void) pgstat_report_stat(true);

	deadline = next_deadline();
	if (self.look_now || now >= deadline)
	{
		self.look_now = true;
		return;
	}
	/* whoever works will end, and somebody may follow */
	if (vibe_run_directory_is_open())
	{
		bool		wanted = self.may_claim && vibe_run_count(RUN_WATCHED) > 0;

		if (wanted)
			vibe_run_prepare_next();
		vibe_shim_keep_spare(wanted, vibe_run_directory_base());
	}
	deadline = Min(deadline, Min(processes, self.prune_at));
	if (notifyInterruptPending || own_wakes != 0 ||
		pg_atomic_read_u32(&self.slot->pending) != 0)
		return;
	(void) WaitEventSetWait(self.wait_set, (long) Max(deadline - now, 0), &event, 1,
							self.wait_event);
	pg_atomic_fetch_add_u64(&self.slot->wakeups, 1);
}

/*
 * Turn after turn.  Errors of verbs never get here; what does is unexpected,
 * is logged, and costs a second.
 */
void
vibe_dispatcher_main(Datum arg)
{
	start_up(DatumGetInt32(arg));
	vibe_home_read_runners();
	MemoryContextSwitchTo(self.turn_context);
	for (;;)
	{
		volatile bool failed = false;

		ResetLatch(MyLatch);
		if (ShutdownRequestPending)
			proc_exit(0);
		MemoryContextReset(self.turn_context);
		Assert(CurrentMemoryContext == self.turn_context);
		PG_TRY();
		{
			prepare_turn();
			if (self.look_now)
				take_turn();
			wait_for_something();
		}
		PG_CATCH();
		{
			HOLD_INTERRUPTS();
			disable_all_timeouts(false);
			QueryCancelPending = false;
			EmitErrorReport();
			AbortCurrentTransaction();
			LWLockReleaseAll();
			MemoryContextSwitchTo(self.turn_context);
			FlushErrorState();
			RESUME_INTERRUPTS();
			failed = true;
		}
		PG_END_TRY();
		MemoryContextSwitchTo(self.turn_context);
		if (failed)
		{
			(void) WaitLatch(NULL, WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, ERROR_PAUSE_MS, self.wait_event);
			self.look_now = true;
		}
	}
}
