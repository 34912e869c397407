/*
 * shim_process.h
 *		Starting, watching and signalling the shims.
 */
#ifndef VIBE_SHIM_PROCESS_H
#define VIBE_SHIM_PROCESS_H

#include "nodes/pg_list.h"

/* what makes a process the one we mean, and not a later one of its number */
typedef struct VibeProcess
{
	pid_t		pid;			/* 0: none */
	int64		start;			/* clock ticks since boot, /proc/PID/stat */
	int			pidfd;			/* -1: none; then it is looked for by number */
	bool		child;			/* of this dispatcher: to be reaped */
	int			word_fd;		/* hung up by the shim once its record is there; 0: it says nothing */
} VibeProcess;

typedef enum VibeAlive
{
	PROCESS_SAME,				/* lives, and is watched now */
	PROCESS_GONE,				/* ended, or was another boot's */
	PROCESS_ELSEWHERE			/* of another pid namespace of this boot */
} VibeAlive;

extern void vibe_shim_init(void);
extern int	vibe_shim_epoll_fd(void);
extern const char *vibe_shim_boot_id(void);
extern const char *vibe_shim_pid_ns(void);
extern void vibe_shim_offer(const char *directory, List *pass_env);
extern int	vibe_shim_spawn(const char *verb, const char *directory,
							List *pass_env, int64 key, VibeProcess *process);
extern void vibe_shim_keep_spare(bool wanted, const char *directory);
extern VibeAlive vibe_shim_adopt(int64 pid, int64 start, const char *boot_id,
								 const char *pid_ns, int64 key, VibeProcess *process);
extern bool vibe_shim_has_ended(VibeProcess *process);
extern bool vibe_shim_said_last_word(VibeProcess *process);
extern bool vibe_shim_let_leave(VibeProcess *process);
extern bool vibe_shim_signal(VibeProcess *process, int signal);
extern void vibe_shim_unwatch(VibeProcess *process);
extern void vibe_shim_forget(VibeProcess *process);
extern int	vibe_shim_take_events(int64 *keys, int max);

#endif							/* VIBE_SHIM_PROCESS_H */
