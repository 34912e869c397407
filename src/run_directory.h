/*
 * run_directory.h
 *		The files between dispatcher and shims.
 */
#ifndef VIBE_RUN_DIRECTORY_H
#define VIBE_RUN_DIRECTORY_H

typedef enum VibeArbitration
{
	RUN_ABANDONED,				/* we own the name: no agent will ever start */
	RUN_TAKEN,					/* the shim was first */
	RUN_UNDECIDED				/* errno says why; try again later */
} VibeArbitration;

extern bool vibe_run_directory_locate(Oid database);
extern bool vibe_run_directory_open(Oid database, char **problem);
extern void vibe_run_directory_close(void);
extern bool vibe_run_directory_is_open(void);
extern bool vibe_run_directory_is_of(Oid extension);
extern bool vibe_run_directory_mark_of(Oid extension);
extern const char *vibe_run_directory_base(void);
extern char *vibe_run_directory_place(const char *place);
extern int64 vibe_run_directory_age(void);
extern const char *vibe_run_directory_alive(void);
extern char *vibe_run_path(int64 run_id, const char *file);
extern char *vibe_run_workspace(const char *owner, const char *branch);
extern int	vibe_run_open(int64 run_id);
extern bool vibe_run_exists(int64 run_id);
extern void vibe_run_prepare_next(void);
extern bool vibe_run_prepare(int64 run_id);
extern bool vibe_run_make_workspace(const char *path);
extern bool vibe_run_write(int64 run_id, const char *file, const char *data, size_t length);
extern char *vibe_run_read(int64 run_id, const char *file, size_t max, size_t *length);
extern VibeArbitration vibe_run_abandon(int64 run_id);
extern bool vibe_run_put_away(int64 run_id, bool keep);
extern int64 *vibe_run_list(int *count);
extern bool vibe_run_throw_away(const char *place, const char *name);

#endif							/* VIBE_RUN_DIRECTORY_H */
