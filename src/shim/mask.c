/*
 * mask.c
 *		Replaces secrets in what an agent prints, before anything is kept.
 *
 * Matching is literal and works across reads: the longest end of the input
 * that could begin a secret is held back, and nothing more, so that a log
 * read during the run lags by a few bytes at most.  Each secret is looked for
 * as it is, as JSON writes it, and (keys of many lines) line by line.
 */
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "mask.h"

#define MASKED "[masked]"
#define SHORTEST_SECRET 6		/* a shorter one would match innocent text */
#define SHORTEST_LINE 16

static int
secret_compare(const void *a, const void *b)
{
	size_t		left = ((const Secret *) a)->length;
	size_t		right = ((const Secret *) b)->length;

	return left < right ? 1 : left > right ? -1 : 0;
}

static void
secrets_add_one(Secrets *secrets, const char *value, size_t length)
{
	Secret	   *list;

	if (length < SHORTEST_SECRET)
		return;
	for (size_t i = 0; i < secrets->count; i++)
		if (secrets->list[i].length == length &&
			memcmp(secrets->list[i].value, value, length) == 0)
			return;
	list = memory_get((secrets->count + 1) * sizeof(Secret));
	if (secrets->count > 0)
		memcpy(list, secrets->list, secrets->count * sizeof(Secret));
	free(secrets->list);
	secrets->list = list;
	list[secrets->count].value = memory_get(length + 1);
	memcpy(list[secrets->count].value, value, length);
	list[secrets->count].length = length;
	secrets->count++;
	secrets->first[(unsigned char) value[0]] = true;
	/* the longest first: of two that match, the longer one is the secret */
	qsort(list, secrets->count, sizeof(Secret), secret_compare);
}

static void
secrets_add_escaped(Secrets *secrets, const char *value, size_t flags)
{
	json_t	   *string = json_string(value);
	char	   *escaped = string ? json_dumps(string, JSON_ENCODE_ANY | flags) : NULL;

	if (escaped != NULL)
		secrets_add_one(secrets, escaped + 1, strlen(escaped) - 2);
	free(escaped);
	json_decref(string);
}

void
secrets_add(Secrets *secrets, const char *value)
{
	secrets_add_one(secrets, value, strlen(value));
	secrets_add_escaped(secrets, value, 0);
	secrets_add_escaped(secrets, value, JSON_ESCAPE_SLASH);
	secrets_add_escaped(secrets, value, JSON_ENSURE_ASCII);
	if (strchr(value, '\n') == NULL)
		return;
	for (const char *line = value; *line != '\0';)
	{
		size_t		length = strcspn(line, "\n");

		if (length >= SHORTEST_LINE)
			secrets_add_one(secrets, line, length);
		line += length + (line[length] != '\0');
	}
}

/*
 * Which secret begins here: its length, 0 for none, -1 if the input ends
 * before that can be said.  A longer secret that may still come is waited for
 * even when a shorter one already matches.
 */
static ssize_t
secret_at(const Secrets *secrets, const char *bytes, size_t left, bool last)
{
	for (size_t i = 0; i < secrets->count; i++)
	{
		const Secret *secret = &secrets->list[i];

		if (secret->length <= left)
		{
			if (memcmp(bytes, secret->value, secret->length) == 0)
				return secret->length;
		}
		else if (!last && memcmp(bytes, secret->value, left) == 0)
			return -1;
	}
	return 0;
}

static size_t
mask_span(const Secrets *secrets, const char *bytes, size_t length, bool last, Buffer *out)
{
	size_t		start = 0;
	size_t		i = 0;

	while (i < length)
	{
		ssize_t		found = 0;

		if (secrets->first[(unsigned char) bytes[i]])
			found = secret_at(secrets, bytes + i, length - i, last);
		if (found < 0)
			break;
		if (found == 0)
		{
			i++;
			continue;
		}
		buffer_append(out, bytes + start, i - start);
		buffer_append(out, MASKED, strlen(MASKED));
		i += found;
		start = i;
	}
	buffer_append(out, bytes + start, i - start);
	return i;
}

void
mask_filter(const Secrets *secrets, MaskFilter *filter, const char *bytes,
			size_t length, bool last, Buffer *out)
{
	size_t		done;

	if (filter->held.length == 0)
	{
		done = mask_span(secrets, bytes, length, last, out);
		buffer_append(&filter->held, bytes + done, length - done);
		return;
	}
	buffer_append(&filter->held, bytes, length);
	done = mask_span(secrets, filter->held.data, filter->held.length, last, out);
	buffer_consume(&filter->held, done);
}

/* Masks a text that is there in full. */
void
mask_text(const Secrets *secrets, const char *bytes, size_t length, Buffer *out)
{
	mask_span(secrets, bytes, length, true, out);
}
