#ifndef SHIM_KIND_H
#define SHIM_KIND_H

#include "parse.h"

/* What the runner's kind says about its agent's input, output and end. */
typedef struct Kind
{
	const char *name;
	bool		plain;			/* the exit status decides, stdout is the output */
	bool		object_input;	/* stdin is one JSON object, else the prompt as it is */

	/* a line of stdout; NULL when nobody parses it */
	void		(*line) (Report *report, const char *line, size_t length);

	/* the last word on a program that exited; NULL unless its output decides (cli.c) */
	void		(*exited) (Report *report, int exit_code);
} Kind;

extern const Kind *kind_find(const char *name);

#endif
