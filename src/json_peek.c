/*-------------------------------------------------------------------------
 *
 * json_peek.c
 *		Reads one top-level scalar of a JSON object.
 *
 * The dispatcher needs a handful of values: a pid from a run directory, the
 * outcome of a record that SQL would not take.  What it reads was written by
 * the shim, but may hold text of an agent, and this runs in the server: so no
 * tree, no recursion, no allocation, a length beside the terminator, and
 * "absent" or "odd" for everything unexpected.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <errno.h>

#include "json_peek.h"

#define MAX_NUMBER_LENGTH 32

static size_t skip_string(const char *json, size_t length, size_t at);
static size_t skip_blanks(const char *json, size_t length, size_t at);
static VibePeek copy_scalar(const char *json, size_t length, size_t at,
							char *value, size_t size);

/* The place after the string that begins at json[at]; length if it never ends. */
static size_t
skip_string(const char *json, size_t length, size_t at)
{
	for (at++; at < length; at++)
	{
		if (json[at] == '\\')
			at++;
		else if (json[at] == '"')
			return at + 1;
	}
	return length;
}

static size_t
skip_blanks(const char *json, size_t length, size_t at)
{
	while (at < length && (json[at] == ' ' || json[at] == '\t' ||
						   json[at] == '\n' || json[at] == '\r'))
		at++;
	return at;
}

/*
 * Copy the scalar at json[at].  A string with an escape in it is none of the
 * values we look for (names, uuids, numbers), so it counts as odd, as do
 * objects, arrays and what does not fit.
 */
static VibePeek
copy_scalar(const char *json, size_t length, size_t at, char *value, size_t size)
{
	size_t		start = at;
	size_t		end;

	if (at >= length)
		return PEEK_ODD;
	if (json[at] == '"')
	{
		start = at + 1;
		end = skip_string(json, length, at);
		if (end <= start || json[end - 1] != '"')
			return PEEK_ODD;
		end--;
	}
	else
	{
		/* the terminating zero byte ends the span */
		end = start + strspn(json + start, "-+.0123456789eEtrufalsn");
		if (end - start == 4 && memcmp(json + start, "null", 4) == 0)
			return PEEK_ABSENT;
		if (end == start)
			return PEEK_ODD;
	}
	if (end - start >= size || memchr(json + start, '\\', end - start) != NULL)
		return PEEK_ODD;
	memcpy(value, json + start, end - start);
	value[end - start] = '\0';
	return PEEK_VALUE;
}

/*
 * The value of a key of the outermost object, as text.  json[length] must be
 * a zero byte.  A key inside a nested object or a string is never taken.
 */
VibePeek
vibe_json_peek(const char *json, size_t length, const char *key, char *value, size_t size)
{
	size_t		keylen = strlen(key);
	size_t		at = 0;
	int			depth = 0;

	while (at < length)
	{
		size_t		end;
		size_t		next;

		if (json[at] != '"')
		{
			depth += (json[at] == '{' || json[at] == '[');
			depth -= (json[at] == '}' || json[at] == ']');
			at++;
			continue;
		}
		end = skip_string(json, length, at);
		next = skip_blanks(json, length, end);
		if (depth == 1 && next < length && json[next] == ':' &&
			end - at == keylen + 2 && memcmp(json + at + 1, key, keylen) == 0)
			return copy_scalar(json, length, skip_blanks(json, length, next + 1), value, size);
		at = end;
	}
	return PEEK_ABSENT;
}

/* An integer, or false. */
bool
vibe_json_peek_int64(const char *json, size_t length, const char *key, int64 *value)
{
	char		text[MAX_NUMBER_LENGTH];
	char	   *end;

	if (vibe_json_peek(json, length, key, text, sizeof(text)) != PEEK_VALUE)
		return false;
	errno = 0;
	*value = strtoll(text, &end, 10);
	return errno == 0 && end != text && *end == '\0';
}
