#ifndef SHIM_MASK_H
#define SHIM_MASK_H

#include "buffer.h"

typedef struct Secret
{
	char	   *value;
	size_t		length;
} Secret;

/* The secrets of a run. */
typedef struct Secrets
{
	Secret	   *list;
	size_t		count;
	bool		first[256];		/* bytes that begin a secret */
} Secrets;

/* Bytes held back because a secret may begin there. */
typedef struct MaskFilter
{
	Buffer		held;
} MaskFilter;

extern void secrets_add(Secrets *secrets, const char *value);
extern void mask_filter(const Secrets *secrets, MaskFilter *filter, const char *bytes,
						size_t length, bool last, Buffer *out);
extern void mask_text(const Secrets *secrets, const char *bytes, size_t length, Buffer *out);

#endif
