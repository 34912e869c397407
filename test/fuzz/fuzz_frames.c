/*
 * fuzz_frames.c
 *		Any bytes as what an inner shim sends.
 *
 * That is another user's process, and an agent that shares its user can take its
 * place: what comes over the pipe is believed up to its limits only.  The way is
 * that of remote.c, whose functions are reached by including it.
 */
#include <stdint.h>

#include "remote.c"

#define NO_SUCH_PROCESS 0x7ffffff0

int			LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* ended() comes once, with an end that outcome.c can judge. */
static int	ends;

static void
must(bool condition)
{
	if (!condition)
		abort();
}

static void
on_started(void *context, const char *workspace)
{
	must(strlen(workspace) <= 4096);
}

static void
on_output(void *context, bool is_stderr, const char *bytes, size_t length)
{
	volatile unsigned char sum = 0;

	for (size_t i = 0; i < length; i++)
		sum += (unsigned char) bytes[i];
}

static void
on_result(void *context, const char *bytes, size_t length)
{
	must(length <= (size_t) RESULT_LIMIT);
	on_output(context, false, bytes, length);
}

static void
on_ended(void *context, const AgentEnd *end)
{
	must(++ends == 1);
	must(end->exit_code >= -1 && end->exit_code <= 255);
	must(end->exit_signal >= 0 && end->exit_signal < NSIG);
	must(end->exit_code >= 0 || end->exit_signal > 0 || end->problem != NULL);
	must(end->leftover >= 0);
}

static void
on_file(void *context, const char *problem, const char *bytes, size_t length)
{
	must(problem == NULL || strlen(problem) <= 500);
	on_output(context, false, bytes, length);
}

static void
on_closed(void *context)
{
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const AgentSink sink = {on_started, on_output, on_result, on_ended, on_file, on_closed, NULL};
	Loop		loop = {.epoll_fd = -1};
	Launch		launch = {.allow_same_user = true, .document = json_object()};
	Remote		remote = {.loop = &loop, .sink = &sink, .launch = &launch, .run_dir = "/run", .outside = json_object(), .fetching = true};
	Frame		frame;

	ends = 0;
	remote.process.pid = NO_SUCH_PROCESS;
	remote.input.fd = remote.output.fd = remote.errors.fd = remote.error.fd = -1;
	buffer_reserve(&remote.reader.input, 1);
	buffer_append(&remote.reader.input, data, size);
	while (frame_next(&remote.reader, &frame) == FRAME_READY)
	{
		must(remote.reader.taken <= remote.reader.input.length);
		remote_take(&remote, &frame);
	}
	buffer_free(&remote.reader.input);
	buffer_free(&remote.input_left);
	free(remote.problem);
	json_decref(launch.document);
	json_decref(remote.outside);
	return 0;
}
