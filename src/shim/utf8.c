/*
 * utf8.c
 *		Makes any bytes text that JSON and the server accept.
 *
 * NUL, overlong forms, surrogates and everything past U+10FFFF become U+FFFD.
 * The filter keeps up to three bytes between calls, so a character that is
 * split over two reads stays whole.
 */
#include <string.h>

#include "utf8.h"

#define REPLACEMENT "\xEF\xBF\xBD"

/*
 * Looks at one character: its length, 0 if it is wrong, -1 if it may become
 * right with more bytes.
 */
static int
utf8_length(const unsigned char *s, size_t left)
{
	int			length;
	unsigned char low = 0x80;
	unsigned char high = 0xBF;

	if (s[0] < 0x80)
		return s[0] != 0;
	if (s[0] < 0xC2 || s[0] > 0xF4)
		return 0;
	length = s[0] < 0xE0 ? 2 : s[0] < 0xF0 ? 3 : 4;
	if (s[0] == 0xE0)
		low = 0xA0;
	else if (s[0] == 0xED)
		high = 0x9F;
	else if (s[0] == 0xF0)
		low = 0x90;
	else if (s[0] == 0xF4)
		high = 0x8F;
	for (int i = 1; i < length; i++)
	{
		if ((size_t) i >= left)
			return -1;
		if (s[i] < low || s[i] > high)
			return 0;
		low = 0x80;
		high = 0xBF;
	}
	return length;
}

static size_t
utf8_filter_span(const unsigned char *s, size_t length, bool last, Buffer *out)
{
	size_t		start = 0;
	size_t		i = 0;

	while (i < length)
	{
		int			step = utf8_length(s + i, length - i);

		if (step > 0)
		{
			i += step;
			continue;
		}
		if (step < 0 && !last)
			break;
		buffer_append(out, s + start, i - start);
		buffer_append(out, REPLACEMENT, 3);
		start = ++i;
	}
	buffer_append(out, s + start, i - start);
	return i;
}

void
utf8_filter(Utf8Filter *filter, const char *bytes, size_t length,
			bool last, Buffer *out)
{
	const unsigned char *s = (const unsigned char *) bytes;
	size_t		done;

	while (filter->length > 0 && length > 0)
	{
		filter->pending[filter->length++] = *s++;
		length--;
		done = utf8_filter_span(filter->pending, filter->length, false, out);
		filter->length -= done;
		memmove(filter->pending, filter->pending + done, filter->length);
	}
	if (filter->length > 0)
	{
		if (last)
			utf8_filter_span(filter->pending, filter->length, true, out);
		if (last)
			filter->length = 0;
		return;
	}
	if (length == 0)
		return;
	done = utf8_filter_span(s, length, last, out);
	filter->length = length - done;
	memcpy(filter->pending, s + done, filter->length);
}

/* The longest head of at most limit bytes that ends between two characters. */
size_t
utf8_cut(const char *text, size_t length, size_t limit)
{
	if (length <= limit)
		return length;
	while (limit > 0 && ((unsigned char) text[limit] & 0xC0) == 0x80)
		limit--;
	return limit;
}

/* The same for a limit in characters. */
size_t
utf8_cut_characters(const char *text, size_t length, size_t limit)
{
	size_t		characters = 0;

	for (size_t i = 0; i < length; i++)
		if (((unsigned char) text[i] & 0xC0) != 0x80 && ++characters > limit)
			return i;
	return length;
}

/* Where the longest tail of at most limit bytes begins. */
size_t
utf8_tail(const char *text, size_t length, size_t limit)
{
	size_t		start = length > limit ? length - limit : 0;

	while (start < length && start > 0 && ((unsigned char) text[start] & 0xC0) == 0x80)
		start++;
	return start;
}
