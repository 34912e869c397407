/*
 * parse_plain.c
 *		Kind plain: the end of stdout is the output, its last line the summary.
 */
#include <string.h>

#include "parse.h"
#include "utf8.h"

#define LONGEST_SUMMARY 500		/* characters */

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

void
parse_plain(Report *report, const char *text, size_t length)
{
	size_t		end = length;
	size_t		start;
	json_t	   *result = json_object();

	while (end > 0 && is_blank(text[end - 1]))
		end--;
	for (start = end; start > 0 && text[start - 1] != '\n';)
		start--;
	while (start < end && is_blank(text[start]))
		start++;
	json_object_set_new(result, "summary", end > start ?
						json_stringn(text + start, utf8_cut_characters(text + start, end - start, LONGEST_SUMMARY)) :
						json_null());
	json_object_set_new(result, "output", json_pack("{s:o}", "text", json_stringn(text, length)));
	json_object_set_new(result, "score", json_null());
	json_object_set_new(result, "target_step", json_null());
	json_object_set_new(result, "notes", json_null());
	json_object_set_new(result, "output_path", json_null());
	json_decref(report->result);
	report->result = result;
}
