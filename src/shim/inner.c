/*
 * inner.c
 *		The agent's side of a run: start it, feed it, drain it, end its tree.
 *
 * This part runs as the agent's user.  It decides nothing: it tells a sink what
 * happened and does what it is told.  Without a prefix the sink is the run in
 * the same process (run.c); behind a prefix it is a stream of frames (serve.c).
 *
 * The end is the process's end, not the end of its output: a grandchild may
 * hold the pipe for ever.  So the order is: agent reaped, every descendant
 * killed, what is still in the pipes read, then the result file.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/wait.h>
#include <unistd.h>

#include "environment.h"
#include "inner.h"
#include "tree.h"

#define READ_SIZE ((size_t) 64 * 1024)
#define LAST_READS 64			/* more than any pipe holds: a stranger may still write */

static void
close_source(Loop *loop, LoopSource *source)
{
	int			fd = source->fd;

	if (fd < 0)
		return;
	loop_forget(loop, source);
	close(fd);
}

/* Reads once; false when there is nothing more for now or for good. */
static bool
agent_drain_once(Agent *agent, int stream)
{
	static char bytes[READ_SIZE];
	LoopSource *source = &agent->output[stream];
	ssize_t		got;

	if (source->fd < 0)
		return false;
	got = read(source->fd, bytes, sizeof(bytes));
	if (got > 0)
		agent->sink->output(agent->sink->context, stream == 1, bytes, got);
	else if (got == 0 || (errno != EAGAIN && errno != EINTR))
		close_source(agent->loop, source);
	return got > 0;
}

static void
agent_stdout_ready(void *context)
{
	agent_drain_once(context, 0);
}

static void
agent_stderr_ready(void *context)
{
	agent_drain_once(context, 1);
}

/* An agent that does not read its stdin, or closed it, is within its rights. */
static void
agent_input_ready(void *context)
{
	Agent	   *agent = context;

	if (buffer_flush(&agent->input_left, agent->input.fd) != 0 || agent->input_left.length == 0)
	{
		close_source(agent->loop, &agent->input);
		buffer_free(&agent->input_left);
	}
}

static void
agent_fill_input(Agent *agent)
{
	const Launch *launch = agent->launch;
	json_t	   *input;
	char	   *text;

	if (!launch->kind->object_input)
	{
		if (launch->prompt != NULL)
			buffer_append(&agent->input_left, launch->prompt, strlen(launch->prompt));
		return;
	}
	input = place_input(launch);
	text = json_dumps(input, JSON_COMPACT | JSON_REAL_PRECISION(15));
	if (text != NULL)
		buffer_append(&agent->input_left, text, strlen(text));
	buffer_append(&agent->input_left, "\n", 1);
	free(text);
	json_decref(input);
}

/* False with *problem set for a file that must not be read; no file is fine. */
static bool
agent_read_result(Agent *agent, char **problem)
{
	Buffer		result = {0};
	bool		fine = true;

	if (file_read_beneath(agent->place.agent_dir_fd, "result", RESULT_LIMIT, &result, problem))
		agent->sink->result(agent->sink->context, result.data, result.length);
	else
		fine = errno == ENOENT;
	buffer_free(&result);
	return fine;
}

/* Something was written or renamed into the agent's directory. */
static void
agent_result_ready(void *context)
{
	Agent	   *agent = context;
	char		events[4096] __attribute__((aligned(__alignof__(struct inotify_event))));
	char	   *problem = NULL;
	bool		appeared = false;
	ssize_t		got;

	while ((got = read(agent->result.fd, events, sizeof(events))) > 0)
	{
		const struct inotify_event *event;

		for (char *at = events; at < events + got; at += sizeof(*event) + event->len)
		{
			event = (const struct inotify_event *) at;
			if (event->len > 0 && strcmp(event->name, "result") == 0)
				appeared = true;
		}
	}
	if (appeared)
		agent_read_result(agent, &problem);
	free(problem);
}

/*
 * An agent that writes its result and then hangs is to be noticed as soon as
 * one that prints it.  Without a watch the limits of time still end it.
 */
static void
agent_watch_result(Agent *agent)
{
	int			fd;

	if (agent->launch->kind->plain)
		return;
	fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (fd < 0)
		return;
	inotify_add_watch(fd, agent->place.agent_dir, IN_CLOSE_WRITE | IN_MOVED_TO);
	loop_watch(agent->loop, &agent->result, fd, EPOLLIN, agent_result_ready, agent);
}

static void
agent_report_end(Agent *agent, const TreeEnd *tree)
{
	AgentEnd	end = {.problem = agent->problem, .exit_code = -1};
	char	   *problem = NULL;

	end.leftover = tree->leftover;
	end.unkillable = tree->unkillable;
	if (tree->agent_reaped && WIFEXITED(tree->agent_status))
		end.exit_code = WEXITSTATUS(tree->agent_status);
	else if (tree->agent_reaped && WIFSIGNALED(tree->agent_status))
		end.exit_signal = WTERMSIG(tree->agent_status);
	if (agent->problem == NULL && !agent_read_result(agent, &problem))
		end.result_problem = problem;
	agent->sink->ended(agent->sink->context, &end);
	free(problem);
}

/* Ends what is left of the tree and reports; the agent may be reaped already. */
static void
agent_finish(Agent *agent, bool reaped, int status)
{
	TreeEnd		tree = {.agent = agent->process.pid, .agent_reaped = reaped, .agent_status = status};

	agent->state = AGENT_ENDED;
	loop_disarm(&agent->grace);
	tree_end(&tree);
	for (int stream = 0; stream < 2; stream++)
	{
		for (int i = 0; i < LAST_READS && agent_drain_once(agent, stream); i++)
			;
		close_source(agent->loop, &agent->output[stream]);
	}
	close_source(agent->loop, &agent->input);
	close_source(agent->loop, &agent->result);
	if (agent->error.fd >= 0 && agent->problem == NULL)
		spawn_check(agent->error.fd, agent->argv[0], &agent->problem);
	close_source(agent->loop, &agent->error);
	agent_report_end(agent, &tree);
}

static void
agent_confirm_start(void *context)
{
	Agent	   *agent = context;
	SpawnStatus status = spawn_check(agent->error.fd, agent->argv[0], &agent->problem);

	if (status == SPAWN_PENDING)
		return;
	close_source(agent->loop, &agent->error);
	/* a failed child is on its way out: its end is reported when it is reaped */
	if (status == SPAWN_FAILED)
		return;
	if (agent->state == AGENT_STARTING)
		agent->state = AGENT_RUNNING;
	agent->sink->started(agent->sink->context, agent->place.workspace);
}

static void
agent_cannot_start(Agent *agent)
{
	TreeEnd		nothing = {0};

	agent->state = AGENT_ENDED;
	agent_report_end(agent, &nothing);
}

/*
 * Starts the agent.  A failure is reported to the sink like an end, possibly
 * before this returns.
 */
void
agent_start(Agent *agent, Loop *loop, const AgentSink *sink, const Launch *launch,
			const char *run_dir, json_t *outside, bool other_user)
{
	SpawnRequest request = {.limits = &launch->limits, .dies_with_us = true};

	agent->loop = loop;
	agent->sink = sink;
	agent->launch = launch;
	agent->input.fd = agent->error.fd = agent->result.fd = -1;
	agent->output[0].fd = agent->output[1].fd = -1;
	if (!place_make(&agent->place, launch, run_dir, other_user, &agent->problem))
	{
		agent_cannot_start(agent);
		return;
	}
	/* behind a prefix its rights are its user's; the server's user is not to become yet another */
	request.no_new_privileges = !other_user;
	agent->argv = words_from_json(launch->argv, 0);
	agent->envp = environment_for_agent(launch, &agent->place, run_dir, outside);
	agent_fill_input(agent);
	agent_watch_result(agent);
	request.argv = agent->argv;
	request.envp = agent->envp;
	request.cwd_fd = agent->place.workspace_fd;
	if (!spawn_start(&request, &agent->process, &agent->problem))
	{
		agent_cannot_start(agent);
		return;
	}
	agent->state = AGENT_STARTING;
	loop_watch(loop, &agent->output[0], agent->process.stdout_fd, EPOLLIN, agent_stdout_ready, agent);
	loop_watch(loop, &agent->output[1], agent->process.stderr_fd, EPOLLIN, agent_stderr_ready, agent);
	loop_watch(loop, &agent->error, agent->process.error_fd, EPOLLIN, agent_confirm_start, agent);
	loop_watch(loop, &agent->input, agent->process.stdin_fd, EPOLLOUT, agent_input_ready, agent);
}

void
agent_child_ended(Agent *agent, pid_t pid, int status)
{
	bool		alive = agent->state != AGENT_NONE && agent->state != AGENT_ENDED;

	if (alive && pid == agent->process.pid)
		agent_finish(agent, true, status);
}

static void
agent_grace_over(void *context)
{
	agent_finish(context, false, 0);
}

/*
 * SIGTERM to the agent and its process group; whoever still lives when the
 * agent ends or the grace is over gets SIGKILL.
 */
void
agent_end_tree(void *context)
{
	Agent	   *agent = context;

	if (agent->state != AGENT_STARTING && agent->state != AGENT_RUNNING)
		return;
	agent->state = AGENT_STOPPING;

	/*
	 * unreaped, so the pid is still the agent's; before its setsid there is no group
	 */
	if (kill(-agent->process.pid, SIGTERM) < 0)
		kill(agent->process.pid, SIGTERM);
	kill(-agent->process.pid, SIGCONT);
	loop_arm(agent->loop, &agent->grace, agent->launch->times.grace, agent_grace_over, agent);
}

/* Puts a text where the output file belongs, if no agent did; only after the end. */
void
agent_store(void *context, const char *path, const char *bytes, size_t length)
{
	Agent	   *agent = context;

	if (agent->state == AGENT_ENDED && agent->place.workspace_fd > 0)
		place_store_output(&agent->place, path, bytes, length);
}

/* Reads a file of the workspace for the sink; only after the agent's end. */
void
agent_fetch(void *context, const char *path)
{
	Agent	   *agent = context;
	Buffer		content = {0};
	char	   *problem = NULL;

	if (agent->state != AGENT_ENDED || agent->place.workspace_fd <= 0)
		problem = text_copy("there is no workspace");
	else
		place_read_output(&agent->place, path, &content, &problem);
	agent->sink->file(agent->sink->context, problem, content.data, content.length);
	buffer_free(&content);
	free(problem);
}

/*
 * Back-pressure: with nobody taking the output, the agent waits in its own
 * write.  epoll always reports a hang-up; one-shot keeps that from spinning.
 */
void
agent_pause_output(Agent *agent, bool pause)
{
	for (int stream = 0; stream < 2; stream++)
		if (agent->output[stream].callback != NULL)
			loop_change(agent->loop, &agent->output[stream], pause ? EPOLLONESHOT : EPOLLIN);
}

/* The run needs nothing more from us. */
void
agent_close(void *context)
{
	Agent	   *agent = context;

	if (agent->state != AGENT_NONE)
		place_clean(&agent->place);
	agent->sink->closed(agent->sink->context);
}
