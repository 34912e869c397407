/*
 * dispatcher.h
 *		The worker that serves one database.
 */
#ifndef VIBE_DISPATCHER_H
#define VIBE_DISPATCHER_H

extern PGDLLEXPORT void vibe_dispatcher_main(Datum arg);

#endif							/* VIBE_DISPATCHER_H */
