#ifndef SHIM_PROCESS_H
#define SHIM_PROCESS_H

#include <stdbool.h>
#include <sys/types.h>

typedef struct ProcessStat
{
	char		state;			/* as in /proc: Z is a zombie, X is dead */
	pid_t		parent;
	pid_t		group;
	unsigned long long start;	/* clock ticks since boot */
} ProcessStat;

extern bool process_stat(pid_t pid, ProcessStat *stat);
extern bool process_boot_id(char *boot_id, size_t size);
extern bool process_pid_namespace(char *name, size_t size);

#endif
