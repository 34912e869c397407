/*
 * kind.c
 *		The kinds of runner, and which parser reads each.
 */
#include <string.h>

#include "cli.h"
#include "kind.h"

static const Kind kinds[] = {
	{"plain", true, false, NULL, NULL},
	{"vibe", false, true, parse_vibe_line, NULL},
	{"claude", false, false, parse_claude_line, cli_exited},
	{"codex", false, false, parse_codex_line, codex_exited},
	{"gemini", false, false, parse_gemini_line, gemini_exited},
	{"opencode", false, false, parse_opencode_line, cli_exited},
};

/* NULL for a kind that this shim does not know. */
const Kind *
kind_find(const char *name)
{
	for (size_t i = 0; name != NULL && i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (strcmp(kinds[i].name, name) == 0)
			return &kinds[i];
	return NULL;
}
