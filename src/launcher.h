/*
 * launcher.h
 *		The worker that keeps one dispatcher per database.
 */
#ifndef VIBE_LAUNCHER_H
#define VIBE_LAUNCHER_H

extern void vibe_launcher_register(void);
extern PGDLLEXPORT void vibe_launcher_main(Datum arg);

#endif							/* VIBE_LAUNCHER_H */
