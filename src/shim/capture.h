#ifndef SHIM_CAPTURE_H
#define SHIM_CAPTURE_H

#include <stdint.h>

#include "mask.h"
#include "utf8.h"

#define TAIL_LIMIT ((size_t) 64 * 1024)
#define LINE_LIMIT ((size_t) 1024 * 1024)
#define LOG_SEGMENTS 4			/* the head and three more */

typedef void (*LineCallback) (void *context, const char *line, size_t length);

typedef struct Capture
{
	const char *name;			/* stdout or stderr: stem of the log files */
	int			dir_fd;
	const Secrets *secrets;
	MaskFilter	mask;
	Utf8Filter	utf8;
	Buffer		masked;			/* scratch */
	Buffer		clean;			/* scratch */
	Buffer		tail;

	LineCallback on_line;		/* NULL when nobody parses this stream */
	void	   *context;
	Buffer		line;
	bool		line_too_long;

	int			log_fd;
	bool		logging;		/* the log has been begun */
	size_t		segment_limit;
	unsigned	segment;		/* number of the segment being written */
	uint64_t	segment_length[LOG_SEGMENTS];
	uint64_t	dropped;
} Capture;

extern void capture_open(Capture *capture, const char *name, int dir_fd,
						 const Secrets *secrets, size_t limit);
extern void capture_add(Capture *capture, const char *bytes, size_t length);
extern void capture_finish(Capture *capture);
extern const char *capture_tail(const Capture *capture, size_t limit, size_t *length);

#endif
