/*
 * frame.c
 *		The protocol between outer and inner shim: one byte type, four bytes
 *		length (big-endian), payload.
 *
 * outer to inner: L launch (JSON), T end the tree, F fetch a file of the
 * workspace (path); end-of-file means end the tree.
 * inner to outer: H hello (JSON: protocol, pid, uid), S agent started, O and E
 * output, R result file, X exit status (JSON), P answer to F ('+' and the
 * content, or '-' and the reason).
 *
 * The peer may be another user's process: a length is believed up to a limit
 * only, and memory grows with the bytes that came, not with those announced.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "frame.h"

#define HEADER 5
#define READ_SIZE ((size_t) 128 * 1024)

/* Reads what is there; false at end-of-file or error. */
bool
frame_read(FrameReader *reader, int fd)
{
	ssize_t		got;

	buffer_consume(&reader->input, reader->taken);
	reader->taken = 0;
	buffer_reserve(&reader->input, READ_SIZE);
	got = read(fd, reader->input.data + reader->input.length, READ_SIZE);
	if (got < 0)
		return errno == EAGAIN || errno == EINTR;
	reader->input.length += got;
	return got > 0;
}

FrameStatus
frame_next(FrameReader *reader, Frame *frame)
{
	const unsigned char *header = (const unsigned char *) reader->input.data + reader->taken;
	size_t		left = reader->input.length - reader->taken;
	uint32_t	length;

	if (left < HEADER)
		return FRAME_INCOMPLETE;
	length = (uint32_t) header[1] << 24 | header[2] << 16 | header[3] << 8 | header[4];
	if (length > FRAME_LIMIT)
		return FRAME_BAD;
	if (left - HEADER < length)
		return FRAME_INCOMPLETE;
	frame->type = header[0];
	frame->payload = (const char *) header + HEADER;
	frame->length = length;
	reader->taken += HEADER + length;
	return FRAME_READY;
}

void
frame_append(Buffer *out, char type, const void *payload, size_t length)
{
	unsigned char header[HEADER] = {type, length >> 24, length >> 16, length >> 8, length};

	buffer_append(out, header, HEADER);
	buffer_append(out, payload, length);
}
