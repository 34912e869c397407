#ifndef SHIM_EXIT_RECORD_H
#define SHIM_EXIT_RECORD_H

#include "capture.h"
#include "outcome.h"

/* Everything the exit record says. */
typedef struct ExitRecord
{
	const char *run_id;
	const Outcome *outcome;
	const AgentEnd *end;
	const Report *report;
	const Capture *out;
	const Capture *err;
	double		started_at;		/* seconds since the epoch */
	double		ended_at;
	bool		staged;
	const char *output_path;	/* what was staged, or NULL */
} ExitRecord;

extern bool file_publish(int dir_fd, const char *name, const char *bytes, size_t length, bool durable);
extern void exit_record_reserve(int dir_fd);
extern void exit_record_write(int dir_fd, const ExitRecord *record);

#endif
