/*-------------------------------------------------------------------------
 *
 * runner_kind.c
 *		The kinds of runner: how each program wants to be called.
 *
 * Kinds plain and vibe are called with the runner's own args alone.  The
 * others are programs whose output vibe_shim understands if they are asked for
 * it, so the words that ask are built in and the runner's args come beside
 * them.  All of them read their prompt from standard input.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "runner_kind.h"

#define CLAUDE_OUTPUT "-p --output-format stream-json --verbose"
#define CLAUDE_LIMITS " --model {model} --fallback-model {fallback_model} --max-budget-usd {budget}"
/* a workspace is no repository, and nobody has vouched for it to the program */
#define CODEX_OUTPUT "exec --json --skip-git-repo-check --model {model}"
#define GEMINI_OUTPUT "--output-format stream-json --skip-trust"
#define GEMINI_LIMITS " --model {model}"
#define OPENCODE_OUTPUT "run --format json --model {model}"

static bool is_own_uuid(const char *session);
static bool is_opencode_session(const char *session);

static const VibeKind kinds[] = {
	{
		.name = "claude",
		.fresh = {CLAUDE_OUTPUT " --session-id {session}" CLAUDE_LIMITS, ""},
		.resumed = {CLAUDE_OUTPUT " --resume {session}" CLAUDE_LIMITS, ""},
		.can_resume = vibe_is_uuid,
	},
	{
		/* its subcommand takes fewer options than the command, so args stand before it */
		.name = "codex",
		.fresh = {CODEX_OUTPUT, "-"},
		.resumed = {CODEX_OUTPUT, "resume {session} -"},
		.can_resume = is_own_uuid,
	},
	{
		.name = "gemini",
		.fresh = {GEMINI_OUTPUT " --session-id {session}" GEMINI_LIMITS, ""},
		.resumed = {GEMINI_OUTPUT " --resume {session}" GEMINI_LIMITS, ""},
		.can_resume = vibe_is_uuid,
	},
	{
		.name = "opencode",
		.quiet_start = true,
		.fresh = {OPENCODE_OUTPUT, ""},
		.resumed = {OPENCODE_OUTPUT " --session {session}", ""},
		.can_resume = is_opencode_session,
	},
	{
		.name = "plain",
		.quiet_start = true,
		.quiet = true,
		.fresh = {"", ""},
	},
	{
		.name = "vibe",
		.fresh = {"", ""},
	},
};

bool
vibe_is_uuid(const char *text)
{
	if (strlen(text) != 36)
		return false;
	for (int i = 0; i < 36; i++)
	{
		bool		dash = i == 8 || i == 13 || i == 18 || i == 23;

		if (dash ? text[i] != '-' : strchr("0123456789abcdefABCDEF", text[i]) == NULL)
			return false;
	}
	return true;
}

/*
 * A session that the program has named itself.  Those that the database chose
 * are random (version 4); a run that has one was lost before the program said
 * its own, and there is nothing to go on with.
 */
static bool
is_own_uuid(const char *session)
{
	return vibe_is_uuid(session) && session[14] != '4';
}

static bool
is_opencode_session(const char *session)
{
	size_t		length = strlen(session);

	return length > 4 && length <= 100 && strncmp(session, "ses_", 4) == 0 &&
		strspn(session + 4, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789") == length - 4;
}

/* NULL for a kind that is not known. */
const VibeKind *
vibe_kind_find(const char *name)
{
	for (int i = 0; i < lengthof(kinds); i++)
	{
		if (strcmp(kinds[i].name, name) == 0)
			return &kinds[i];
	}
	return NULL;
}

/* All names, for a message. */
char *
vibe_kind_names(void)
{
	StringInfoData names;

	initStringInfo(&names);
	for (int i = 0; i < lengthof(kinds); i++)
		appendStringInfo(&names, "%s%s", i > 0 ? ", " : "", kinds[i].name);
	return names.data;
}

/* The words of a template. */
List *
vibe_kind_words(const char *text)
{
	List	   *words = NIL;

	while (*text != '\0')
	{
		size_t		length = strcspn(text, " ");

		if (length > 0)
			words = lappend(words, pnstrdup(text, length));
		text += length;
		text += strspn(text, " ");
	}
	return words;
}
