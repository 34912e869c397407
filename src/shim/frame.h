#ifndef SHIM_FRAME_H
#define SHIM_FRAME_H

#include <stdint.h>

#include "buffer.h"

#define FRAME_LIMIT ((uint32_t) 17 * 1024 * 1024)
#define PROTOCOL 1

/* outer to inner */
#define FRAME_LAUNCH 'L'
#define FRAME_END_TREE 'T'
#define FRAME_STORE 'W'
#define FRAME_FETCH 'F'
/* inner to outer */
#define FRAME_HELLO 'H'
#define FRAME_STARTED 'S'
#define FRAME_STDOUT 'O'
#define FRAME_STDERR 'E'
#define FRAME_RESULT 'R'
#define FRAME_OUTPUT_FILE 'P'
#define FRAME_EXIT 'X'

typedef enum FrameStatus
{
	FRAME_READY,
	FRAME_INCOMPLETE,
	FRAME_BAD
} FrameStatus;

typedef struct Frame
{
	char		type;
	const char *payload;		/* valid until the next read */
	size_t		length;
} Frame;

typedef struct FrameReader
{
	Buffer		input;
	size_t		taken;			/* bytes of input that were handed out */
} FrameReader;

extern bool frame_read(FrameReader *reader, int fd);
extern FrameStatus frame_next(FrameReader *reader, Frame *frame);
extern void frame_append(Buffer *out, char type, const void *payload, size_t length);

#endif
