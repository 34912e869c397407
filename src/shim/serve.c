/*
 * serve.c
 *		The inner role behind a prefix: frames in, frames out.
 *
 * The agent itself is inner.c's; this only translates.  The outer shim's end is
 * seen as end-of-file on stdin (or as a broken stdout) and ends the tree: no
 * agent outlives the one who pays for it.  When the outer shim does not read,
 * the agent's output is left in the pipe, so memory stays bounded.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "frame.h"
#include "inner.h"
#include "serve.h"
#include "signals.h"

#define MOST_PENDING ((size_t) 1024 * 1024)

typedef struct Serve
{
	Loop		loop;
	Signals		signals;
	LoopSource	input;
	LoopSource	output;
	FrameReader reader;
	Buffer		pending;
	bool		paused;
	bool		outer_gone;
	AgentSink	sink;
	Launch		launch;
	Agent		agent;
} Serve;

static void
serve_outer_gone(Serve *serve)
{
	serve->outer_gone = true;
	loop_forget(&serve->loop, &serve->input);
	loop_forget(&serve->loop, &serve->output);
	if (serve->agent.state == AGENT_NONE || serve->agent.state == AGENT_ENDED)
		agent_close(&serve->agent);
	else
		agent_end_tree(&serve->agent);
}

static void
serve_flush(Serve *serve)
{
	bool		full;

	if (serve->outer_gone)
	{
		serve->pending.length = 0;
		return;
	}
	if (buffer_flush(&serve->pending, STDOUT_FILENO) != 0)
	{
		serve_outer_gone(serve);
		return;
	}
	loop_change(&serve->loop, &serve->output, serve->pending.length > 0 ? EPOLLOUT : 0);
	full = serve->pending.length > MOST_PENDING;
	if (full != serve->paused)
		agent_pause_output(&serve->agent, full);
	serve->paused = full;
}

static void
serve_output_ready(void *context)
{
	Serve	   *serve = context;

	/* called without anything to write: the reader is gone */
	if (serve->pending.length == 0)
		serve_outer_gone(serve);
	else
		serve_flush(serve);
}

static void
serve_send(Serve *serve, char type, const void *payload, size_t length)
{
	frame_append(&serve->pending, type, payload, length);
	serve_flush(serve);
}

static void
serve_send_json(Serve *serve, char type, json_t *document)
{
	char	   *text = json_dumps(document, JSON_COMPACT);

	if (text != NULL)
		serve_send(serve, type, text, strlen(text));
	free(text);
	json_decref(document);
}

static void
serve_on_started(void *context, const char *workspace)
{
	serve_send(context, FRAME_STARTED, workspace, strlen(workspace));
}

static void
serve_on_output(void *context, bool is_stderr, const char *bytes, size_t length)
{
	serve_send(context, is_stderr ? FRAME_STDERR : FRAME_STDOUT, bytes, length);
}

static void
serve_on_result(void *context, const char *bytes, size_t length)
{
	serve_send(context, FRAME_RESULT, bytes, length);
}

static json_t *
text_or_null(const char *text)
{
	json_t	   *value = text ? json_string(text) : NULL;

	return value ? value : json_null();
}

static void
serve_on_ended(void *context, const AgentEnd *end)
{
	Serve	   *serve = context;
	json_t	   *document = json_object();

	if (serve->outer_gone)
	{
		json_decref(document);
		agent_close(&serve->agent);
		return;
	}
	json_object_set_new(document, "problem", text_or_null(end->problem));
	json_object_set_new(document, "exit_code", end->exit_code >= 0 ? json_integer(end->exit_code) : json_null());
	json_object_set_new(document, "exit_signal", end->exit_signal ? json_integer(end->exit_signal) : json_null());
	json_object_set_new(document, "leftover", json_integer(end->leftover));
	json_object_set_new(document, "unkillable", json_boolean(end->unkillable));
	json_object_set_new(document, "result_problem", text_or_null(end->result_problem));
	serve_send_json(serve, FRAME_EXIT, document);
}

static void
serve_on_file(void *context, const char *problem, const char *bytes, size_t length)
{
	Buffer		answer = {0};

	buffer_append(&answer, problem ? "-" : "+", 1);
	buffer_append(&answer, problem ? problem : bytes, problem ? strlen(problem) : length);
	serve_send(context, FRAME_OUTPUT_FILE, answer.data, answer.length);
	buffer_free(&answer);
}

static void
serve_on_closed(void *context)
{
	Serve	   *serve = context;

	serve->loop.stopped = true;
}

/*
 * A sweep finds what belongs to a run by its environment, but sudo gives us one
 * of its own.  So the words go where /proc reads them, in place of what a prefix
 * has left there: nothing here needs that.  Where they find no room, an inner
 * shim that was stopped stays until somebody else ends it; its agent does not.
 */
static void
serve_mark_environment(const char *run_dir)
{
	static char *none[] = {NULL};
	char	   *mark = text_format("VIBE_RUN_DIR=%s", run_dir);
	size_t		size = strlen(mark) + 1;
	char	   *begin = environ[0];
	char	   *end = begin;

	for (char **variable = environ; *variable != NULL && *variable == end; variable++)
		end += strlen(end) + 1;
	if (begin != NULL && size <= (size_t) (end - begin))
	{
		memset(begin, 0, end - begin);
		memcpy(begin, mark, size);
		environ = none;
	}
	free(mark);
}

static void
serve_launch(Serve *serve, const Frame *frame)
{
	char	   *problem = NULL;
	json_t	   *message = json_parse(frame->payload, frame->length, &problem);
	const char *run_dir = json_text(message, "run_dir");
	json_t	   *document = json_incref(json_object_get(message, "launch"));
	AgentEnd	end = {.exit_code = -1};

	if (serve->agent.state != AGENT_NONE)
		return;
	if (message != NULL && run_dir == NULL)
		problem = text_copy("launch frame has no run_dir");
	if (problem == NULL && launch_check(&serve->launch, document, &problem))
	{
		serve_mark_environment(run_dir);
		agent_start(&serve->agent, &serve->loop, &serve->sink, &serve->launch, run_dir,
					json_object_get(message, "outside"), true);
		return;
	}
	end.problem = problem;
	serve_on_ended(serve, &end);
	free(problem);
}

static void
serve_store(Serve *serve, const Frame *frame)
{
	size_t		length = strnlen(frame->payload, frame->length);

	if (length < frame->length)
		agent_store(&serve->agent, frame->payload, frame->payload + length + 1,
					frame->length - length - 1);
}

static void
serve_take(Serve *serve, const Frame *frame)
{
	char	   *path;

	switch (frame->type)
	{
		case FRAME_LAUNCH:
			serve_launch(serve, frame);
			break;
		case FRAME_END_TREE:
			agent_end_tree(&serve->agent);
			break;
		case FRAME_STORE:
			serve_store(serve, frame);
			break;
		case FRAME_FETCH:
			path = text_format("%.*s", (int) frame->length, frame->payload);
			agent_fetch(&serve->agent, path);
			free(path);
			break;
		default:
			break;
	}
}

static void
serve_input_ready(void *context)
{
	Serve	   *serve = context;
	Frame		frame;
	bool		more = frame_read(&serve->reader, STDIN_FILENO);
	FrameStatus status;

	while ((status = frame_next(&serve->reader, &frame)) == FRAME_READY)
		serve_take(serve, &frame);
	if ((!more || status == FRAME_BAD) && !serve->outer_gone)
		serve_outer_gone(serve);
}

static void
serve_on_signal(void *context)
{
	Serve	   *serve = context;

	agent_end_tree(&serve->agent);
}

static void
serve_on_child(void *context, pid_t pid, int status)
{
	Serve	   *serve = context;

	agent_child_ended(&serve->agent, pid, status);
}

void
serve_main(void)
{
	static Serve serve;

	prctl(PR_SET_CHILD_SUBREAPER, 1);
	serve.signals.on_end = serve_on_signal;
	serve.signals.on_child = serve_on_child;
	serve.signals.context = &serve;
	serve.sink = (AgentSink)
	{
		serve_on_started, serve_on_output, serve_on_result, serve_on_ended,
			serve_on_file, serve_on_closed, &serve
	};
	serve.agent.sink = &serve.sink;
	if (!loop_open(&serve.loop) || !signals_open(&serve.signals, &serve.loop))
		return;
	fcntl(STDIN_FILENO, F_SETFL, O_NONBLOCK);
	fcntl(STDOUT_FILENO, F_SETFL, O_NONBLOCK);
	loop_watch(&serve.loop, &serve.input, STDIN_FILENO, EPOLLIN, serve_input_ready, &serve);
	loop_watch(&serve.loop, &serve.output, STDOUT_FILENO, 0, serve_output_ready, &serve);
	if (serve.input.fd < 0 || serve.output.fd < 0)
		return;
	serve_send_json(&serve, FRAME_HELLO,
					json_pack("{s:i, s:i, s:I}", "protocol", PROTOCOL, "pid", (int) getpid(),
							  "uid", (json_int_t) geteuid()));
	loop_run(&serve.loop);
}
