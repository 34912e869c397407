/*
 * json_peek.h
 *		Reads one value of a JSON object without building a tree.
 */
#ifndef VIBE_JSON_PEEK_H
#define VIBE_JSON_PEEK_H

typedef enum VibePeek
{
	PEEK_ABSENT,				/* no such key, or null */
	PEEK_VALUE,
	PEEK_ODD					/* there, but not a plain scalar that fits */
} VibePeek;

extern VibePeek vibe_json_peek(const char *json, size_t length, const char *key,
							   char *value, size_t size);
extern bool vibe_json_peek_int64(const char *json, size_t length, const char *key, int64 *value);

#endif							/* VIBE_JSON_PEEK_H */
