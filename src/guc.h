/*
 * guc.h
 *		The settings, as variables.
 */
#ifndef VIBE_GUC_H
#define VIBE_GUC_H

#include "datatype/timestamp.h"
#include "nodes/pg_list.h"

typedef enum VibeNotify
{
	VIBE_NOTIFY_COMMIT,			/* NOTIFY in the transaction that completes */
	VIBE_NOTIFY_WORKER,			/* the dispatcher sends one per turn */
	VIBE_NOTIFY_OFF
} VibeNotify;

typedef enum VibeTakeOver
{
	VIBE_TAKE_OVER_MANUAL,
	VIBE_TAKE_OVER_AUTO
} VibeTakeOver;

extern char *vibe_databases;
extern char *vibe_runner_config;
extern char *vibe_run_directory;
extern char *vibe_shim_path;
extern bool vibe_allow_same_user;
extern int	vibe_max_runs;
extern int	vibe_notify;
extern int	vibe_take_over;
extern int	vibe_orphan_grace;
extern int	vibe_poll_interval;
extern int	vibe_sweep_interval;
extern int	vibe_run_file_retention;
extern int	vibe_run_files_max;
extern int	vibe_workspace_retention;
extern bool vibe_fake_now_set;
extern TimestampTz vibe_fake_now;

extern void vibe_guc_init(void);
extern List *vibe_configured_databases(void);
extern bool vibe_database_is_configured(const char *name);

#endif							/* VIBE_GUC_H */
