/*
 * runner_file.h
 *		The runners: which programs may be executed, and how.
 */
#ifndef VIBE_RUNNER_FILE_H
#define VIBE_RUNNER_FILE_H

#include "nodes/pg_list.h"
#include "runner_kind.h"

typedef enum VibeLimit
{
	LIMIT_START,
	LIMIT_IDLE,
	LIMIT_TIMEOUT,
	LIMIT_LINGER,
	LIMIT_GRACE,
	LIMIT_STDOUT,
	LIMIT_NOFILE,
	LIMIT_NPROC,
	LIMIT_FSIZE,
	LIMIT_AS,
	LIMIT_CPU,
	LIMIT_NICE,
	LIMIT_COUNT
} VibeLimit;

typedef struct VibePair
{
	char	   *name;
	char	   *value;
} VibePair;

typedef struct VibeRunner
{
	char		name[NAMEDATALEN];
	int			line;			/* where its block begins */
	const VibeKind *kind;
	char	   *program;
	List	   *args;			/* of char * */
	List	   *prefix;			/* of char * */
	List	   *env;			/* of VibePair * */
	List	   *pass_env;		/* of char * */
	List	   *secret_env;		/* of VibePair *: name, file */
	char	   *path;
	char	   *workspace_root; /* or NULL */
	char	   *provider;		/* whose rate limits its runs share, or NULL */
	char	   *fallback;		/* runner that stands in while the provider is paused, or NULL */
	char	   *fallback_model; /* what the fallback is told instead of the step's model, or NULL */
	int			max_parallel;
	int64		limits[LIMIT_COUNT];
	const char *problem;		/* why it cannot be used, or NULL */
} VibeRunner;

typedef struct VibeRunnerSet
{
	MemoryContext context;		/* delete it to free the set */
	List	   *runners;		/* of VibeRunner * */
} VibeRunnerSet;

extern VibeRunnerSet *vibe_runner_file_read(const char *path, char **problem);
extern VibeRunner *vibe_runner_find(VibeRunnerSet *set, const char *name);
extern const char *vibe_limit_name(VibeLimit limit);

#endif							/* VIBE_RUNNER_FILE_H */
