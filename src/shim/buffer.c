/*
 * buffer.c
 *		Bytes that grow, and the shim's answer to "no memory".
 *
 * Without memory the shim can neither report nor watch, so it ends: its death
 * takes the agent along (PDEATHSIG, or end-of-file for an inner shim), and the
 * missing exit record makes the run "lost".  The status is 0 even then, since
 * a server that is process 1 restarts over any other status of an orphan.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "buffer.h"

static void *
memory_or_end(void *memory)
{
	if (memory == NULL)
		_exit(0);
	return memory;
}

/* Zeroed memory; never NULL. */
void *
memory_get(size_t size)
{
	return memory_or_end(calloc(1, size));
}

char *
text_copy(const char *text)
{
	return memory_or_end(strdup(text));
}

char *
text_format(const char *format,...)
{
	va_list		args;
	char	   *text = NULL;
	int			length;

	va_start(args, format);
	length = vasprintf(&text, format, args);
	va_end(args);
	return memory_or_end(length < 0 ? NULL : text);
}

void
buffer_reserve(Buffer *buffer, size_t more)
{
	size_t		wanted = buffer->length + more;

	if (wanted <= buffer->capacity)
		return;
	if (wanted < buffer->capacity * 2)
		wanted = buffer->capacity * 2;
	buffer->data = memory_or_end(realloc(buffer->data, wanted));
	buffer->capacity = wanted;
}

void
buffer_append(Buffer *buffer, const void *bytes, size_t length)
{
	if (length == 0)
		return;
	buffer_reserve(buffer, length);
	memcpy(buffer->data + buffer->length, bytes, length);
	buffer->length += length;
}

/* Drops bytes from the front. */
void
buffer_consume(Buffer *buffer, size_t length)
{
	if (length == 0)
		return;
	buffer->length -= length;
	memmove(buffer->data, buffer->data + length, buffer->length);
}

void
buffer_free(Buffer *buffer)
{
	free(buffer->data);
	memset(buffer, 0, sizeof(*buffer));
}

/*
 * Writes as much as a non-blocking descriptor takes.  Returns 0, or the errno
 * of a reader that is gone.
 */
int
buffer_flush(Buffer *buffer, int fd)
{
	size_t		done = 0;
	int			error = 0;

	while (done < buffer->length)
	{
		ssize_t		written = write(fd, buffer->data + done, buffer->length - done);

		if (written < 0 && errno == EINTR)
			continue;
		if (written < 0)
		{
			error = errno == EAGAIN ? 0 : errno;
			break;
		}
		done += written;
	}
	buffer_consume(buffer, done);
	return error;
}
