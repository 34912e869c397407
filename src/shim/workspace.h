#ifndef SHIM_WORKSPACE_H
#define SHIM_WORKSPACE_H

#include "buffer.h"
#include "launch.h"

#define OUTPUT_FILE_LIMIT ((off_t) 16 * 1024 * 1024)
#define RESULT_LIMIT ((off_t) 1024 * 1024)

/* Where an agent works, and the files it is handed. */
typedef struct Place
{
	char	   *workspace;
	int			workspace_fd;
	char	   *agent_dir;		/* token, input.json, result */
	int			agent_dir_fd;
	char	   *tmp_dir;		/* beside the workspace, emptied after each run */
	bool		own_agent_dir;	/* made by an inner shim, which removes it again */
	char	   *output_dir;		/* absolute */
	char	   *output_file;	/* absolute; NULL without a slug */
} Place;

extern bool place_make(Place *place, const Launch *launch, const char *run_dir,
					   bool other_user, char **problem);
extern json_t *place_input(const Launch *launch);
extern void place_clean(Place *place);
extern int	file_open_empty(int dir_fd, const char *name);
extern bool file_read_beneath(int dir_fd, const char *path, off_t limit,
							  Buffer *content, char **problem);
extern void place_store_output(const Place *place, const char *path,
							   const char *bytes, size_t length);
extern bool place_read_output(const Place *place, const char *path,
							  Buffer *content, char **problem);

#endif
