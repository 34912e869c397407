#ifndef SHIM_UTF8_H
#define SHIM_UTF8_H

#include "buffer.h"

/* What is left of a character whose end has not been read yet. */
typedef struct Utf8Filter
{
	unsigned char pending[4];
	size_t		length;
} Utf8Filter;

extern void utf8_filter(Utf8Filter *filter, const char *bytes, size_t length,
						bool last, Buffer *out);
extern size_t utf8_cut(const char *text, size_t length, size_t limit);
extern size_t utf8_cut_characters(const char *text, size_t length, size_t limit);
extern size_t utf8_tail(const char *text, size_t length, size_t limit);

#endif
