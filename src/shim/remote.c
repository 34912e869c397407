/*
 * remote.c
 *		An agent behind a prefix: starts "prefix... vibe_shim inner" and speaks
 *		frames with it.
 *
 * To the run this looks like the agent itself: the same sink, the same control.
 * What comes back is another user's word: sizes are limited, JSON is checked,
 * and a peer that breaks the protocol is dropped.
 *
 * The prefix may run as root (sudo) and then cannot be signalled from here;
 * end-of-file on its stdin ends the inner shim, and that ends the prefix.  The
 * prefix has no PDEATHSIG for the same reason: should this process die, the
 * inner shim shall notice, end the whole tree, and not just die as well.
 *
 * The agent can stop or kill its inner shim, whose user it shares.  sudo stops
 * together with what it runs.  So the prefix stays in our session: there we may
 * continue whatever is stopped, whoever owns it, and if this process dies, the
 * kernel does (the group becomes an orphaned one with stopped members).  What
 * a killed inner shim leaves behind is below this process, a child subreaper,
 * but another user's: a sweep behind the prefix ends it, before anybody hears
 * that the run is over.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "environment.h"
#include "remote.h"
#include "sweep.h"
#include "tree.h"

#define HELLO_SECONDS 20
#define END_SECONDS 10			/* beyond the agent's grace */
#define READ_SIZE ((size_t) 64 * 1024)
#define LAST_READS 512

static void
close_source(Remote *remote, LoopSource *source)
{
	int			fd = source->fd;

	if (fd < 0)
		return;
	loop_forget(remote->loop, source);
	close(fd);
}

/* Says that the agent has ended, once. */
static void
remote_tell_end(Remote *remote, const AgentEnd *end)
{
	if (remote->told_end)
		return;
	remote->told_end = true;
	loop_disarm(&remote->deadline);
	remote->sink->ended(remote->sink->context, end);
}

/* The prefix ended without the inner shim having told how the agent ended. */
static void
remote_tell_lost(Remote *remote)
{
	AgentEnd	end = {.exit_code = -1};

	if (remote->problem == NULL && WIFSIGNALED(remote->status))
		remote->problem = text_format("prefix was killed by signal %d", WTERMSIG(remote->status));
	else if (remote->problem == NULL)
		remote->problem = text_format("prefix ended with exit code %d before the agent's end was known",
									  WEXITSTATUS(remote->status));
	/* once the inner shim had spoken, an agent may have run and done things */
	if (remote->hello && WIFSIGNALED(remote->status))
		end.exit_signal = WTERMSIG(remote->status);
	else if (remote->hello)
		end.exit_signal = SIGKILL;
	else
		end.problem = remote->problem;
	remote_tell_end(remote, &end);
}

static void
remote_finish(Remote *remote)
{
	if (!remote->told_end)
		remote_tell_lost(remote);
	if (remote->fetching)
	{
		remote->fetching = false;
		remote->sink->file(remote->sink->context, "cannot be fetched: inner shim ended", NULL, 0);
	}
	if (remote->closing)
		remote->sink->closed(remote->sink->context);
}

static void
remote_take_exit(Remote *remote, const Frame *frame)
{
	char	   *problem = NULL;
	json_t	   *document = json_parse(frame->payload, frame->length, &problem);
	json_int_t	code = json_integer_value(json_object_get(document, "exit_code"));
	json_int_t	number = json_integer_value(json_object_get(document, "exit_signal"));
	json_int_t	leftover = json_integer_value(json_object_get(document, "leftover"));
	AgentEnd	end = {.exit_code = -1};

	if (json_is_integer(json_object_get(document, "exit_code")) && code >= 0 && code <= 255)
		end.exit_code = code;
	if (number > 0 && number < NSIG)
		end.exit_signal = number;
	if (end.exit_code < 0 && end.exit_signal == 0)
		end.problem = "inner shim reported neither exit code nor signal";
	if (json_text(document, "problem") != NULL)
		end.problem = json_text(document, "problem");
	end.result_problem = json_text(document, "result_problem");
	end.leftover = leftover > 0 && leftover < 10000000 ? leftover : 0;
	end.unkillable = json_is_true(json_object_get(document, "unkillable"));
	remote_tell_end(remote, &end);
	json_decref(document);
	free(problem);
}

static void
remote_send(Remote *remote, char type, const void *payload, size_t length)
{
	if (remote->input.fd < 0)
		return;
	frame_append(&remote->input_left, type, payload, length);
	loop_change(remote->loop, &remote->input, EPOLLOUT);
}

static void
remote_send_launch(Remote *remote)
{
	json_t	   *message = json_pack("{s:O, s:s, s:O}", "launch", remote->launch->document,
									"run_dir", remote->run_dir, "outside", remote->outside);
	char	   *text = json_dumps(message, JSON_COMPACT | JSON_REAL_PRECISION(15));

	if (text != NULL)
		remote_send(remote, FRAME_LAUNCH, text, strlen(text));
	free(text);
	json_decref(message);
}

/* Gives the peer up: no more input for it, TERM, and a last deadline. */
static void
remote_drop(Remote *remote, const char *problem)
{
	if (remote->problem == NULL && problem != NULL)
		remote->problem = text_copy(problem);
	close_source(remote, &remote->input);
	close_source(remote, &remote->output);
	kill(-remote->process.pid, SIGTERM);
}

/* Neither prefix nor inner shim can do its work while it is stopped. */
static void
remote_continue(Remote *remote)
{
	if (!remote->reaped)
		kill(-remote->process.pid, SIGCONT);
}

static void
remote_deadline_over(void *context)
{
	Remote	   *remote = context;
	TreeEnd		tree = {.agent = remote->process.pid};

	if (remote->foreign)
		sweep_behind_prefix(remote->launch, remote->run_dir);
	remote_continue(remote);
	if (!remote->hello && !remote->closing && remote->problem == NULL)
	{
		remote_drop(remote, "inner shim did not answer within 20 s");
		loop_arm(remote->loop, &remote->deadline, 1, remote_deadline_over, remote);
		return;
	}
	tree_end(&tree);
	remote->reaped = true;
	remote->status = tree.agent_reaped ? tree.agent_status : SIGKILL;
	remote_finish(remote);
}

static void
remote_take_hello(Remote *remote, const Frame *frame)
{
	char	   *problem = NULL;
	json_t	   *document = json_parse(frame->payload, frame->length, &problem);
	json_int_t	protocol = json_integer_value(json_object_get(document, "protocol"));
	json_t	   *uid = json_object_get(document, "uid");
	bool		same_user = json_is_integer(uid) && json_integer_value(uid) == (json_int_t) geteuid();

	loop_disarm(&remote->deadline);
	if (problem == NULL && protocol != PROTOCOL)
		problem = text_copy("inner shim speaks another protocol: install the same version on both sides");
	else if (problem == NULL &&
			 (!json_is_integer(uid) || (same_user && !remote->launch->allow_same_user)))
		problem = text_copy("runner's prefix did not change the user: agents would run as the server's own user (see allow_same_user)");
	if (problem != NULL)
	{
		remote_drop(remote, problem);
		loop_arm(remote->loop, &remote->deadline, END_SECONDS, remote_deadline_over, remote);
	}
	else
	{
		remote->hello = true;
		remote->foreign = !same_user;
		remote_send_launch(remote);
	}
	json_decref(document);
	free(problem);
}

static void
remote_take_file(Remote *remote, const Frame *frame)
{
	char	   *problem;

	if (!remote->fetching || frame->length == 0)
		return;
	remote->fetching = false;
	if (frame->payload[0] == '+')
	{
		remote->sink->file(remote->sink->context, NULL, frame->payload + 1, frame->length - 1);
		return;
	}
	problem = text_format("%.*s", (int) (frame->length > 500 ? 500 : frame->length - 1), frame->payload + 1);
	remote->sink->file(remote->sink->context, problem, NULL, 0);
	free(problem);
}

static void
remote_take(Remote *remote, const Frame *frame)
{
	const AgentSink *sink = remote->sink;
	char	   *workspace;

	if (!remote->hello)
	{
		if (frame->type == FRAME_HELLO)
			remote_take_hello(remote, frame);
		return;
	}
	if (frame->type == FRAME_OUTPUT_FILE)
		remote_take_file(remote, frame);
	if (remote->told_end)
		return;
	switch (frame->type)
	{
		case FRAME_STARTED:
			workspace = text_format("%.*s", (int) (frame->length > 4096 ? 4096 : frame->length), frame->payload);
			sink->started(sink->context, workspace);
			free(workspace);
			break;
		case FRAME_STDOUT:
		case FRAME_STDERR:
			sink->output(sink->context, frame->type == FRAME_STDERR, frame->payload, frame->length);
			break;
		case FRAME_RESULT:
			if (frame->length <= (size_t) RESULT_LIMIT)
				sink->result(sink->context, frame->payload, frame->length);
			break;
		case FRAME_EXIT:
			remote_take_exit(remote, frame);
			break;
		default:
			break;				/* a newer peer may say more */
	}
}

/* Reads once and handles what is whole; false when nothing more will come. */
static bool
remote_read(Remote *remote)
{
	FrameStatus status = FRAME_INCOMPLETE;
	Frame		frame;
	bool		more;

	if (remote->output.fd < 0)
		return false;
	more = frame_read(&remote->reader, remote->output.fd);
	while (remote->output.fd >= 0 && (status = frame_next(&remote->reader, &frame)) == FRAME_READY)
		remote_take(remote, &frame);
	if (status == FRAME_BAD)
	{
		remote_drop(remote, "inner shim broke the protocol");
		loop_arm(remote->loop, &remote->deadline, END_SECONDS, remote_deadline_over, remote);
		more = false;
	}
	if (!more)
		close_source(remote, &remote->output);
	return more;
}

static void
remote_output_ready(void *context)
{
	remote_read(context);
}

/* stderr of the prefix and of the inner shim itself, such as sudo's complaints. */
static bool
remote_read_errors(Remote *remote)
{
	static char bytes[READ_SIZE];
	ssize_t		got;

	if (remote->errors.fd < 0)
		return false;
	got = read(remote->errors.fd, bytes, sizeof(bytes));
	if (got > 0)
		remote->sink->output(remote->sink->context, true, bytes, got);
	else if (got == 0 || (errno != EAGAIN && errno != EINTR))
		close_source(remote, &remote->errors);
	return got > 0;
}

static void
remote_errors_ready(void *context)
{
	remote_read_errors(context);
}

static void
remote_input_ready(void *context)
{
	Remote	   *remote = context;

	/* called without anything to write: the reader is gone */
	if (remote->input_left.length == 0 ||
		buffer_flush(&remote->input_left, remote->input.fd) != 0)
		close_source(remote, &remote->input);
	else if (remote->input_left.length == 0)
		loop_change(remote->loop, &remote->input, 0);
}

static void
remote_confirm_start(void *context)
{
	Remote	   *remote = context;
	const char *program = json_string_value(json_array_get(remote->launch->prefix, 0));

	if (spawn_check(remote->error.fd, program, &remote->problem) != SPAWN_PENDING)
		close_source(remote, &remote->error);
}

void
remote_start(Remote *remote, Loop *loop, const AgentSink *sink,
			 const Launch *launch, const char *run_dir, json_t *outside)
{
	SpawnRequest request = {.same_session = true};
	size_t		words = json_array_size(launch->prefix);
	AgentEnd	end = {.exit_code = -1};

	remote->loop = loop;
	remote->sink = sink;
	remote->launch = launch;
	remote->run_dir = run_dir;
	remote->outside = outside;
	remote->input.fd = remote->output.fd = remote->errors.fd = remote->error.fd = -1;
	request.argv = words_from_json(launch->prefix, 2);
	request.argv[words] = spawn_own_path();
	request.argv[words + 1] = text_copy("inner");
	request.envp = environment_for_prefix(launch, run_dir);
	request.cwd_fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	remote->spawned = spawn_start(&request, &remote->process, &remote->problem);
	close(request.cwd_fd);
	if (!remote->spawned)
	{
		end.problem = remote->problem;
		remote_tell_end(remote, &end);
		return;
	}
	loop_watch(loop, &remote->output, remote->process.stdout_fd, EPOLLIN, remote_output_ready, remote);
	loop_watch(loop, &remote->errors, remote->process.stderr_fd, EPOLLIN, remote_errors_ready, remote);
	loop_watch(loop, &remote->error, remote->process.error_fd, EPOLLIN, remote_confirm_start, remote);
	loop_watch(loop, &remote->input, remote->process.stdin_fd, 0, remote_input_ready, remote);
	loop_arm(loop, &remote->deadline, HELLO_SECONDS, remote_deadline_over, remote);
}

void
remote_child_ended(Remote *remote, pid_t pid, int status)
{
	TreeEnd		tree = {0};

	if (!remote->spawned || remote->reaped || pid != remote->process.pid)
		return;
	remote->reaped = true;
	remote->status = status;
	loop_disarm(&remote->deadline);
	if (remote->foreign && !tree_is_empty())
		sweep_behind_prefix(remote->launch, remote->run_dir);
	/* a prefix of our own user may have left processes behind */
	tree_end(&tree);
	if (remote->error.fd >= 0)
		remote_confirm_start(remote);
	for (int i = 0; i < LAST_READS && remote_read(remote); i++)
		;
	for (int i = 0; i < LAST_READS && remote_read_errors(remote); i++)
		;
	close_source(remote, &remote->output);
	close_source(remote, &remote->errors);
	close_source(remote, &remote->input);
	remote_finish(remote);
}

void
remote_end_tree(void *context)
{
	Remote	   *remote = context;

	if (!remote->spawned || remote->told_end || remote->reaped)
		return;
	if (remote->hello)
	{
		remote_send(remote, FRAME_END_TREE, NULL, 0);
		remote_continue(remote);
	}
	else
		remote_drop(remote, "ended before the inner shim had answered");
	loop_arm(remote->loop, &remote->deadline, remote->launch->times.grace + END_SECONDS,
			 remote_deadline_over, remote);
}

/* Path, zero byte, content; whether it came to be, the fetch will tell. */
void
remote_store(void *context, const char *path, const char *bytes, size_t length)
{
	Remote	   *remote = context;
	Buffer		payload = {0};

	buffer_append(&payload, path, strlen(path) + 1);
	buffer_append(&payload, bytes, length);
	if (!remote->reaped)
		remote_send(remote, FRAME_STORE, payload.data, payload.length);
	buffer_free(&payload);
}

void
remote_fetch(void *context, const char *path)
{
	Remote	   *remote = context;

	if (remote->reaped || remote->input.fd < 0)
	{
		remote->sink->file(remote->sink->context, "cannot be fetched: inner shim ended", NULL, 0);
		return;
	}
	remote->fetching = true;
	remote_send(remote, FRAME_FETCH, path, strlen(path));
	loop_arm(remote->loop, &remote->deadline, END_SECONDS, remote_deadline_over, remote);
}

/* End-of-file lets the inner shim go; its end, or a deadline, completes the close. */
void
remote_close(void *context)
{
	Remote	   *remote = context;

	remote->closing = true;
	if (!remote->spawned || remote->reaped)
	{
		remote->sink->closed(remote->sink->context);
		return;
	}
	close_source(remote, &remote->input);
	loop_arm(remote->loop, &remote->deadline, END_SECONDS, remote_deadline_over, remote);
}
