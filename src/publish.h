/*
 * publish.h
 *		Putting a finished file where people look for it.
 */
#ifndef VIBE_PUBLISH_H
#define VIBE_PUBLISH_H

extern bool vibe_publish(const char *staged, const char *target, char **problem);

#endif							/* VIBE_PUBLISH_H */
