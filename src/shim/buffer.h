#ifndef SHIM_BUFFER_H
#define SHIM_BUFFER_H

#include <stdbool.h>
#include <stddef.h>

typedef struct Buffer
{
	char	   *data;
	size_t		length;
	size_t		capacity;
} Buffer;

extern void *memory_get(size_t size);
extern char *text_copy(const char *text);
extern char *text_format(const char *format,...) __attribute__((format(printf, 1, 2)));

extern void buffer_reserve(Buffer *buffer, size_t more);
extern void buffer_append(Buffer *buffer, const void *bytes, size_t length);
extern void buffer_consume(Buffer *buffer, size_t length);
extern void buffer_free(Buffer *buffer);
extern int	buffer_flush(Buffer *buffer, int fd);

#endif
