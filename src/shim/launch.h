#ifndef SHIM_LAUNCH_H
#define SHIM_LAUNCH_H

#include <stdbool.h>
#include <sys/resource.h>

#include <jansson.h>

#include "kind.h"

/* Seconds; 0 means no limit. */
typedef struct TimeLimits
{
	double		start;
	double		idle;
	double		total;
	double		linger;
	double		grace;
} TimeLimits;

/* 0 means: leave it as it is. */
typedef struct ProcessLimits
{
	rlim_t		nofile;
	rlim_t		nproc;
	rlim_t		fsize;
	rlim_t		as;
	rlim_t		cpu;
	int			nice;
} ProcessLimits;

/* A checked launch record; strings belong to the JSON document. */
typedef struct Launch
{
	json_t	   *document;
	json_t	   *run;
	json_t	   *runner;
	json_t	   *argv;			/* array of strings, the first an absolute path */
	json_t	   *prefix;			/* array of strings, NULL when there is none */
	const char *run_id;
	const char *token;			/* may be NULL, as the next five */
	const char *prompt;
	const char *branch;
	const char *slug;
	const char *output_dir;
	const char *workspace_root;
	const char *workspace;
	const char *alive;			/* may be NULL */
	double		orphan_grace;
	const Kind *kind;
	double		budget;			/* US dollars; 0 means no limit */
	json_t	   *price;			/* of a million tokens of each kind; may be NULL */
	bool		allow_same_user;
	size_t		log_limit;
	TimeLimits	times;
	ProcessLimits limits;
} Launch;

extern json_t *launch_read(int dir_fd, char **problem);
extern bool launch_check(Launch *launch, json_t *document, char **problem);
extern char *launch_output_name(const Launch *launch);
extern json_t *json_parse(const char *text, size_t length, char **problem);
extern const char *json_text(json_t *object, const char *key);
extern double json_amount(json_t *object, const char *key);
extern double json_seconds(json_t *object, const char *key, double otherwise);

#endif
