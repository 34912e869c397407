#ifndef SHIM_ALIVE_H
#define SHIM_ALIVE_H

#include <stdbool.h>
#include <stdint.h>

/* Watches the file that a dispatcher keeps locked as long as it lives. */
typedef struct Alive
{
	const char *path;
	double		grace;			/* seconds */
	int64_t		free_since;		/* 0 while locked */
} Alive;

extern double alive_interval(const Alive *alive);
extern bool alive_is_gone(Alive *alive);

#endif
