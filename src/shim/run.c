/*
 * run.c
 *		One run from its launch record to its exit record: the outer shim.
 *
 * This side has the run directory, the limits of time, the parser and the
 * decision.  The agent is reached through a control and heard through a sink,
 * so that it makes no difference whether it is a child of this process
 * (inner.c) or of an inner shim behind a prefix (remote.c).
 *
 * The order at the end: the tree is dead, the outcome is decided, the output
 * file is fetched and staged, the agent's side is closed, and only then the
 * exit record is written: whoever reads it may start the next step.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "alive.h"
#include "cli.h"
#include "environment.h"
#include "exit_record.h"
#include "remote.h"
#include "run.h"
#include "signals.h"
#include "started.h"

#define CANCEL_INTERVAL 5.0
#define ROUNDING 1e-9			/* US dollars: sums of prices are not exact */

typedef struct Run
{
	Loop		loop;
	Signals		signals;
	int			dir_fd;
	int			dispatcher_fd;	/* closing it says that the record is there; -1: none */
	const char *dir;
	Launch		launch;
	Secrets		secrets;
	Capture		out;
	Capture		err;
	Report		report;
	Alive		alive;
	Agent		agent;
	Remote		remote;
	AgentSink	sink;
	AgentControl control;		/* its context is NULL until the agent is started */

	Cause		cause;
	bool		lingering;		/* the linger limit has begun */
	bool		ended;
	AgentEnd	end;
	Outcome		outcome;
	char	   *workspace;		/* as the agent's side names it */
	char	   *output_path;
	bool		output_named;	/* the agent named that file itself */
	bool		staged;
	double		started_at;
	double		ended_at;

	LoopTimer	start;
	LoopTimer	idle;
	LoopTimer	total;
	LoopTimer	linger;
	LoopTimer	watch;
} Run;

static double
now_epoch(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return now.tv_sec + now.tv_nsec / 1e9;
}

/* A text of the agent's side, fit for the record. */
static char *
clean_text(const Run *run, const char *text)
{
	Buffer		masked = {0};
	Buffer		clean = {0};
	Utf8Filter	filter = {0};

	if (text == NULL)
		return NULL;
	mask_text(&run->secrets, text, strlen(text), &masked);
	utf8_filter(&filter, masked.data, masked.length, true, &clean);
	buffer_append(&clean, "", 1);
	buffer_free(&masked);
	return clean.data;
}

static void
run_write_record(Run *run)
{
	ExitRecord	record = {
		.run_id = run->report.run_id,
		.outcome = &run->outcome,
		.end = &run->end,
		.report = &run->report,
		.out = &run->out,
		.err = &run->err,
		.started_at = run->started_at,
		.ended_at = run->ended_at,
		.staged = run->staged,
		.output_path = run->staged ? run->output_path : NULL,
	};

	exit_record_write(run->dir_fd, &record);
}

static void
run_on_closed(void *context)
{
	Run		   *run = context;

	if (run->loop.stopped)
		return;
	run->loop.stopped = true;
	/* nothing is waited for any more, and the record may need their place */
	close(run->loop.epoll_fd);
	close(run->signals.source.fd);
	run_write_record(run);
	/* so that nobody has to wait until the kernel is done with us */
	if (run->dispatcher_fd >= 0)
		close(run->dispatcher_fd);
}

/* A run that ends before there is an agent. */
static void
run_refuse(Run *run, const char *outcome, const char *error)
{
	run->ended = true;
	run->end.exit_code = -1;
	run->outcome.name = outcome;
	run->outcome.error = clean_text(run, error);
	run->ended_at = now_epoch();
	capture_finish(&run->out);
	capture_finish(&run->err);
	run_on_closed(run);
}

static void
run_end(Run *run, Cause cause)
{
	if (run->ended || run->cause != CAUSE_NONE)
		return;
	run->cause = cause;
	loop_disarm(&run->start);
	loop_disarm(&run->idle);
	loop_disarm(&run->total);
	loop_disarm(&run->linger);
	run->control.end_tree(run->control.context);
}

static void
run_start_over(void *context)
{
	run_end(context, CAUSE_START);
}

static void
run_idle_over(void *context)
{
	run_end(context, CAUSE_IDLE);
}

static void
run_total_over(void *context)
{
	run_end(context, CAUSE_TOTAL);
}

static void
run_linger_over(void *context)
{
	run_end(context, CAUSE_LINGER);
}

static void
run_on_signal(void *context)
{
	run_end(context, CAUSE_CANCELLED);
}

static bool
run_is_cancelled(const Run *run)
{
	struct stat info;

	return fstatat(run->dir_fd, "cancel", &info, AT_SYMLINK_NOFOLLOW) == 0;
}

/* What no event tells: is the server there, has somebody asked for the end? */
static void
run_watch(void *context)
{
	Run		   *run = context;

	if (run_is_cancelled(run))
		run_end(run, CAUSE_CANCELLED);
	else if (run->alive.path != NULL && alive_is_gone(&run->alive))
		run_end(run, CAUSE_LOST);
	if (run->cause == CAUSE_NONE)
		loop_arm(&run->loop, &run->watch,
				 run->alive.path ? alive_interval(&run->alive) : CANCEL_INTERVAL, run_watch, run);
}

static void
run_arm_limit(Run *run, LoopTimer *timer, double seconds, LoopCallback callback)
{
	if (seconds > 0 && run->cause == CAUSE_NONE && !run->ended)
		loop_arm(&run->loop, timer, seconds, callback, run);
}

static void
run_on_started(void *context, const char *workspace)
{
	Run		   *run = context;

	free(run->workspace);
	run->workspace = text_copy(workspace);
	/* the time a prefix took is not the agent's */
	if (run->start.armed)
		run_arm_limit(run, &run->start, run->launch.times.start, run_start_over);
}

/*
 * Has the agent told its result, so that there is no more to wait for?  A
 * command-line agent that wrote the file at VIBE_RESULT has still to say its last
 * words, and what it used.
 */
static bool
run_has_result(const Run *run)
{
	if (run->launch.kind->exited != NULL)
		return run->report.cli.verdict != VERDICT_NONE;
	return run->report.status != RESULT_NONE;
}

/*
 * After any word from the agent: start limit, then idle limit, and once a result
 * is there the linger limit.  Words of waiting leave the idle limit as it is, and
 * an agent that takes up work again after a result is done with lingering.
 */
static void
run_move_limits(Run *run)
{
	loop_disarm(&run->start);
	if (!run_has_result(run))
	{
		if (run->lingering || !run->report.cli.waiting)
			run_arm_limit(run, &run->idle, run->launch.times.idle, run_idle_over);
		loop_disarm(&run->linger);
		run->lingering = false;
		return;
	}
	loop_disarm(&run->idle);
	if (!run->lingering)
		run_arm_limit(run, &run->linger, run->launch.times.linger, run_linger_over);
	run->lingering = true;
}

static void
run_on_output(void *context, bool is_stderr, const char *bytes, size_t length)
{
	Run		   *run = context;

	if (length == 0)
		return;
	capture_add(is_stderr ? &run->err : &run->out, bytes, length);
	run_move_limits(run);
}

/* What it has spent so far: as it says, else by its tokens where their price is known. */
static double
run_spent(const Run *run)
{
	double		spent = 0;

	if (run->report.cost >= 0)
		return run->report.cost;
	for (int i = 0; i < USAGE_COUNTERS; i++)
		spent += run->report.counters[i] * json_amount(run->launch.price, usage_counter_names[i]) / 1e6;
	return spent;
}

/* Usage is told after it was spent, so a run may be over by one message of it. */
static void
run_check_budget(Run *run)
{
	if (run->launch.budget > 0 && run_spent(run) > run->launch.budget + ROUNDING)
		run_end(run, CAUSE_BUDGET);
}

static void
run_say_budget(Run *run)
{
	if (run->cause != CAUSE_BUDGET || strcmp(run->outcome.name, "budget") != 0)
		return;
	free(run->outcome.error);
	run->outcome.error = text_format("spent %.6g USD; its budget was %.6g", run_spent(run), run->launch.budget);
}

static void
run_on_line(void *context, const char *line, size_t length)
{
	Run		   *run = context;

	run->launch.kind->line(&run->report, line, length);
	run_check_budget(run);
}

/* The file at VIBE_RESULT: when it appears, and once more after the agent's end. */
static void
run_on_result(void *context, const char *bytes, size_t length)
{
	Run		   *run = context;
	Buffer		masked = {0};
	Buffer		clean = {0};
	Utf8Filter	filter = {0};

	if (run->launch.kind->plain)
		return;
	mask_text(&run->secrets, bytes, length, &masked);
	utf8_filter(&filter, masked.data, masked.length, true, &clean);
	parse_vibe_file(&run->report, clean.data ? clean.data : "", clean.length);
	run_move_limits(run);
	buffer_free(&masked);
	buffer_free(&clean);
}

/* Which file to publish: the result's, else the first artifact, else the one asked for. */
static char *
run_choose_output(Run *run)
{
	const char *path = json_text(run->report.result, "output_path");
	size_t		length = run->workspace ? strlen(run->workspace) : 0;

	if (path == NULL)
		path = json_text(json_array_get(run->report.artifacts, 0), "path");
	run->output_named = path != NULL;
	if (path == NULL)
		return launch_output_name(&run->launch);
	if (length > 0 && strncmp(path, run->workspace, length) == 0 && path[length] == '/')
		path += length + 1;
	return text_copy(path);
}

static void
run_on_file(void *context, const char *problem, const char *bytes, size_t length)
{
	Run		   *run = context;

	if (problem == NULL)
	{
		run->staged = file_publish(run->dir_fd, "publish", bytes ? bytes : "", length, true);
		if (!run->staged)
			problem = "cannot be staged: no room in the run directory";
		run->output_named |= !run->staged;
	}
	if (!run->staged && run->output_named && run->outcome.error == NULL)
	{
		char	   *text = text_format("output file \"%.200s\" %s", run->output_path, problem);

		run->outcome.error = clean_text(run, text);
		free(text);
	}
	run->control.close(run->control.context);
}

/*
 * What an agent without a file of its own said last is its output.  The file is
 * made in the workspace, where the next step looks for it.
 */
static void
run_store_text(Run *run)
{
	Buffer	   *text = &run->report.cli.text;

	if (run->output_named || text->length == 0 || run->report.cli.text_over ||
		strcmp(run->outcome.name, "done") != 0)
		return;
	if (text->data[text->length - 1] != '\n')
		buffer_append(text, "\n", 1);
	run->control.store(run->control.context, run->output_path, text->data, text->length);
}

static void
run_decide(Run *run)
{
	const Kind *kind = run->launch.kind;
	size_t		length;
	const char *tail;

	if (kind->exited != NULL && run->cause == CAUSE_NONE && run->end.exit_code >= 0)
		kind->exited(&run->report, run->end.exit_code);
	run->outcome = outcome_decide(run->cause, &run->end, &run->report, kind);
	if (kind->exited != NULL && outcome_has_output(&run->outcome))
		cli_take_result(&run->report);
	if (kind->plain && (outcome_has_output(&run->outcome) || strcmp(run->outcome.name, "blocked") == 0))
	{
		tail = capture_tail(&run->out, TAIL_LIMIT, &length);
		parse_plain(&run->report, tail, length);
	}
}

static void
run_on_ended(void *context, const AgentEnd *end)
{
	Run		   *run = context;

	run->ended = true;
	run->ended_at = now_epoch();
	run->end = *end;
	run->end.problem = clean_text(run, end->problem);
	run->end.result_problem = clean_text(run, end->result_problem);
	for (LoopTimer *timer = run->loop.timers; timer != NULL; timer = timer->next)
		loop_disarm(timer);
	capture_finish(&run->out);
	capture_finish(&run->err);
	run_decide(run);
	run_say_budget(run);
	if (outcome_has_output(&run->outcome))
		run->output_path = run_choose_output(run);
	if (run->output_path != NULL)
	{
		run_store_text(run);
		run->control.fetch(run->control.context, run->output_path);
	}
	else
		run->control.close(run->control.context);
}

static void
run_on_child(void *context, pid_t pid, int status)
{
	Run		   *run = context;

	if (run->launch.prefix != NULL)
		remote_child_ended(&run->remote, pid, status);
	else
		agent_child_ended(&run->agent, pid, status);
}

static void
run_start_agent(Run *run, json_t *outside)
{
	const TimeLimits *times = &run->launch.times;

	run->sink = (AgentSink)
	{
		run_on_started, run_on_output, run_on_result, run_on_ended, run_on_file, run_on_closed, run
	};
	run_arm_limit(run, &run->start, times->start, run_start_over);
	run_arm_limit(run, &run->idle, times->idle, run_idle_over);
	run_arm_limit(run, &run->total, times->total, run_total_over);
	loop_arm(&run->loop, &run->watch,
			 run->alive.path ? alive_interval(&run->alive) : CANCEL_INTERVAL, run_watch, run);
	if (run->launch.prefix != NULL)
	{
		run->control = (AgentControl)
		{
			remote_end_tree, remote_store, remote_fetch, remote_close, &run->remote
		};
		remote_start(&run->remote, &run->loop, &run->sink, &run->launch, run->dir, outside);
		return;
	}
	run->control = (AgentControl)
	{
		agent_end_tree, agent_store, agent_fetch, agent_close, &run->agent
	};
	agent_start(&run->agent, &run->loop, &run->sink, &run->launch, run->dir, outside, false);
}

/* What the session that is gone on with had used before, for who counts it again. */
static void
run_take_usage_before(Run *run)
{
	json_t	   *usage = json_object_get(run->launch.run, "resume_usage");

	for (int i = 0; i < USAGE_COUNTERS; i++)
		run->report.cli.before[i] = cli_count(usage, usage_counter_names[i]);
}

/* Checks what was read and starts the agent, or refuses the run with the reason. */
static void
run_launch(Run *run, json_t *document, char *problem)
{
	json_t	   *outside = NULL;

	if (document != NULL)
		launch_check(&run->launch, document, &problem);
	if (run->launch.run_id != NULL)
		run->report.run_id = run->launch.run_id;
	run_take_usage_before(run);
	if (problem == NULL && run->launch.token != NULL)
		secrets_add(&run->secrets, run->launch.token);
	if (problem == NULL)
		outside = environment_from_outside(&run->launch, &run->secrets, &problem);
	if (problem == NULL && run->launch.prefix == NULL && !run->launch.allow_same_user)
		problem = text_copy("runner has no prefix: the agent would run as the server's own user (see allow_same_user)");
	capture_open(&run->out, "stdout", run->dir_fd, &run->secrets, run->launch.log_limit);
	capture_open(&run->err, "stderr", run->dir_fd, &run->secrets, run->launch.log_limit);
	if (problem == NULL && run->launch.kind->line != NULL)
		run->out.on_line = run_on_line;
	run->out.context = run;
	run->alive.path = run->launch.alive;
	run->alive.grace = run->launch.orphan_grace;
	if (run_is_cancelled(run))
		run_refuse(run, "cancelled", "cancelled before its start");
	else if (problem != NULL)
		run_refuse(run, "exec_error", problem);
	else
	{
		run_start_agent(run, outside);
		if (!run->loop.stopped)
			exit_record_reserve(run->dir_fd);
	}
	free(problem);
}

/* The run's number as the directory's name has it, for a record without a launch. */
static const char *
base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* The dispatcher starts a run with one byte; it may also take it back, or be gone. */
static bool
may_go(int dispatcher_fd)
{
	char		go;
	ssize_t		got;

	do
		got = read(dispatcher_fd, &go, 1);
	while (got < 0 && errno == EINTR);
	return got == 1;
}

/*
 * dispatcher_fd: a pipe on which the word to start is waited for, and which is
 * closed as soon as the exit record is there; -1: neither.
 */
void
run_main(const char *dir, int dispatcher_fd)
{
	static Run	run;
	char	   *problem = NULL;
	json_t	   *document;

	run.dir = dir;
	run.dispatcher_fd = dispatcher_fd;
	run.report.run_id = base_name(dir);
	run.report.cost = -1;
	run.report.retry_after = -1;
	run.started_at = now_epoch();
	run.dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (run.dir_fd < 0)
	{
		fprintf(stderr, "vibe_shim: cannot open \"%s\": %s\n", dir, strerror(errno));
		return;
	}
	document = launch_read(run.dir_fd, &problem);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	if ((dispatcher_fd >= 0 && !may_go(dispatcher_fd)) || !run_take(run.dir_fd))
		return;
	run.signals.on_end = run_on_signal;
	run.signals.on_child = run_on_child;
	run.signals.context = &run;
	run.signals.source.fd = -1;
	if (!loop_open(&run.loop) || !signals_open(&run.signals, &run.loop))
		problem = problem ? problem : text_format("cannot watch for events: %s", strerror(errno));
	run_launch(&run, document, problem);
	loop_run(&run.loop);
}
