/*
 * capture.c
 *		One output stream of an agent: masked, made text, cut into lines for
 *		the parser, and kept in part.
 *
 * The log is a row of files NAME.0, NAME.1, ... of equal size, a quarter of
 * the limit each.  NAME.0 is the head and stays; of the others the last three
 * stay.  So a reader gets head and tail by number, whatever is missing between
 * them has been dropped, and no file is ever rewritten under a reader.  Bytes
 * that the disk did not take count as dropped, and the run goes on.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "capture.h"

#define LEAST_LOG 4096

static void
capture_name(const Capture *capture, unsigned segment, char *name, size_t size)
{
	snprintf(name, size, "%s.%u", capture->name, segment);
}

static void
capture_open_segment(Capture *capture)
{
	char		name[32];

	capture_name(capture, capture->segment, name, sizeof(name));
	capture->log_fd = openat(capture->dir_fd, name,
							 O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0600);
}

void
capture_open(Capture *capture, const char *name, int dir_fd,
			 const Secrets *secrets, size_t limit)
{
	capture->name = name;
	capture->dir_fd = dir_fd;
	capture->secrets = secrets;
	capture->segment_limit = (limit < LEAST_LOG ? LEAST_LOG : limit) / LOG_SEGMENTS;
	capture->log_fd = -1;
}

/* Slot of a segment's length: 0 for the head, the others take turns. */
static unsigned
capture_slot(unsigned segment)
{
	return segment == 0 ? 0 : 1 + (segment - 1) % (LOG_SEGMENTS - 1);
}

static void
capture_next_segment(Capture *capture)
{
	char		name[32];
	unsigned	slot;

	if (capture->log_fd >= 0)
		close(capture->log_fd);
	capture->segment++;
	slot = capture_slot(capture->segment);
	if (capture->segment >= LOG_SEGMENTS)
	{
		capture_name(capture, capture->segment - (LOG_SEGMENTS - 1), name, sizeof(name));
		unlinkat(capture->dir_fd, name, 0);
		capture->dropped += capture->segment_length[slot];
	}
	capture->segment_length[slot] = 0;
	capture_open_segment(capture);
}

static void
capture_log(Capture *capture, const char *text, size_t length)
{
	/* a stream that says nothing, as stderr mostly does, makes no file */
	if (!capture->logging)
	{
		capture->logging = true;
		capture_open_segment(capture);
	}
	while (length > 0)
	{
		uint64_t   *filled = &capture->segment_length[capture_slot(capture->segment)];
		size_t		part = length;
		ssize_t		written = -1;

		if (*filled >= capture->segment_limit)
		{
			capture_next_segment(capture);
			continue;
		}
		if (part > capture->segment_limit - *filled)
			part = capture->segment_limit - *filled;
		if (capture->log_fd >= 0)
			written = write(capture->log_fd, text, part);
		if (written <= 0)
		{
			capture->dropped += length;
			return;
		}
		*filled += written;
		text += written;
		length -= written;
	}
}

static void
capture_keep_tail(Capture *capture, const char *text, size_t length)
{
	/* trimming only at twice the limit makes the copying cheap */
	if (length > TAIL_LIMIT + 4)
	{
		text += length - (TAIL_LIMIT + 4);
		length = TAIL_LIMIT + 4;
		capture->tail.length = 0;
	}
	if (capture->tail.length + length > 3 * TAIL_LIMIT)
		buffer_consume(&capture->tail, capture->tail.length - TAIL_LIMIT - 4);
	buffer_append(&capture->tail, text, length);
}

static void
capture_end_line(Capture *capture)
{
	if (capture->line.length > 0 && !capture->line_too_long)
		capture->on_line(capture->context, capture->line.data, capture->line.length);
	capture->line.length = 0;
	capture->line_too_long = false;
}

/* A line over the limit is cut, and what was cut is no message any more. */
static void
capture_split(Capture *capture, const char *text, size_t length)
{
	while (length > 0)
	{
		const char *newline = memchr(text, '\n', length);
		size_t		part = newline ? (size_t) (newline - text) : length;

		if (capture->line.length + part > LINE_LIMIT)
			capture->line_too_long = true;
		if (!capture->line_too_long)
			buffer_append(&capture->line, text, part);
		if (newline == NULL)
			return;
		capture_end_line(capture);
		text += part + 1;
		length -= part + 1;
	}
}

static void
capture_pass(Capture *capture, const char *bytes, size_t length, bool last)
{
	capture->masked.length = 0;
	capture->clean.length = 0;
	mask_filter(capture->secrets, &capture->mask, bytes, length, last, &capture->masked);
	utf8_filter(&capture->utf8, capture->masked.data, capture->masked.length, last,
				&capture->clean);
	if (capture->clean.length == 0)
		return;
	capture_log(capture, capture->clean.data, capture->clean.length);
	capture_keep_tail(capture, capture->clean.data, capture->clean.length);
	if (capture->on_line != NULL)
		capture_split(capture, capture->clean.data, capture->clean.length);
}

void
capture_add(Capture *capture, const char *bytes, size_t length)
{
	capture_pass(capture, bytes, length, false);
}

/* The stream has ended: what was held back comes out, and the last line counts. */
void
capture_finish(Capture *capture)
{
	capture_pass(capture, "", 0, true);
	if (capture->on_line != NULL)
		capture_end_line(capture);
	if (capture->log_fd >= 0)
		close(capture->log_fd);
	capture->log_fd = -1;
}

/* The last bytes, beginning with a whole character. */
const char *
capture_tail(const Capture *capture, size_t limit, size_t *length)
{
	size_t		start;

	*length = 0;
	if (capture->tail.length == 0)
		return "";
	start = utf8_tail(capture->tail.data, capture->tail.length, limit);
	*length = capture->tail.length - start;
	return capture->tail.data + start;
}
