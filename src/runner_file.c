/*-------------------------------------------------------------------------
 *
 * runner_file.c
 *		Reads and checks the runner file.
 *
 * This file is the only place from which a command line can come: tables
 * hold a runner's name and nothing else.  Whoever can write it, or replace
 * it, can execute programs as the server.
 *
 * The grammar has no quoting beyond double quotes and no expansion: there is
 * no shell anywhere between this file and execve().  Problems are returned as
 * text, since the dispatcher has to live with them; vibe.runners() turns them
 * into an error.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <errno.h>
#include <limits.h>

#include "guc.h"
#include "lib/stringinfo.h"
#include "runner.h"
#include "runner_file.h"
#include "trusted_file.h"
#include "utils/memutils.h"

#define MAX_RUNNERS 100
#define MAX_PARALLEL 2000
#define LIMIT_NOT_GIVEN (-1)
#define DEFAULT_PATH "/usr/local/bin:/usr/bin:/bin"

typedef struct Parser
{
	VibeRunnerSet *set;
	VibeRunner *runner;			/* block being read */
	uint32		seen;			/* keys of this block, one bit each */
	int			line;
	char	   *problem;
} Parser;

typedef bool (*KeyHandler) (Parser *parser, const char *key, List *words);

typedef struct KeyRule
{
	const char *name;
	KeyHandler	handler;
	bool		single;			/* exactly one word */
} KeyRule;

typedef struct LimitRule
{
	const char *name;
	int64		initial;
	int64		min;
	int64		max;
	bool		size;			/* takes kB, MB, GB */
} LimitRule;

static bool fail(Parser *parser, const char *format,...) pg_attribute_printf(2, 3);
static bool is_env_name(const char *name);
static bool split_words(Parser *parser, const char *text, List **words);
static bool parse_pairs(Parser *parser, const char *key, List *words, char separator, List **pairs);
static bool parse_int(const char *text, bool size, int64 min, int64 max, int64 *value);
static bool parse_line(Parser *parser, char *line);
static bool is_plain_name(const char *text);
static bool check_fallbacks(Parser *parser);
static bool begin_block(Parser *parser, const char *line);
static bool end_block(Parser *parser);
static bool key_kind(Parser *parser, const char *key, List *words);
static bool key_program(Parser *parser, const char *key, List *words);
static bool key_args(Parser *parser, const char *key, List *words);
static bool key_prefix(Parser *parser, const char *key, List *words);
static bool key_env(Parser *parser, const char *key, List *words);
static bool key_pass_env(Parser *parser, const char *key, List *words);
static bool key_secret_env(Parser *parser, const char *key, List *words);
static bool key_path(Parser *parser, const char *key, List *words);
static bool key_max_parallel(Parser *parser, const char *key, List *words);
static bool key_limits(Parser *parser, const char *key, List *words);
static bool key_workspace_root(Parser *parser, const char *key, List *words);
static bool key_provider(Parser *parser, const char *key, List *words);
static bool key_fallback(Parser *parser, const char *key, List *words);
static bool key_fallback_model(Parser *parser, const char *key, List *words);

static const KeyRule key_rules[] = {
	{"kind", key_kind, true},
	{"program", key_program, true},
	{"args", key_args, false},
	{"prefix", key_prefix, false},
	{"env", key_env, false},
	{"pass_env", key_pass_env, false},
	{"secret_env", key_secret_env, false},
	{"path", key_path, true},
	{"max_parallel", key_max_parallel, true},
	{"limits", key_limits, false},
	{"workspace_root", key_workspace_root, true},
	{"provider", key_provider, true},
	{"fallback", key_fallback, true},
	{"fallback_model", key_fallback_model, true},
};

/* in the order of VibeLimit */
static const LimitRule limit_rules[LIMIT_COUNT] = {
	{"start", 60, 0, 86400, false},
	{"idle", 900, 0, 86400, false},
	{"timeout", 3600, 1, 86400, false},
	{"linger", 30, 0, 3600, false},
	{"grace", 10, 0, 600, false},
	{"stdout", 4194304, 4096, 1073741824, true},
	{"nofile", 4096, 16, 1048576, false},
	{"nproc", 0, 0, 1048576, false},
	{"fsize", 0, 0, INT64CONST(1) << 50, true},
	{"as", 0, 0, INT64CONST(1) << 50, true},
	{"cpu", 0, 0, 864000, false},
	{"nice", 5, 0, 19, false},
};

const char *
vibe_limit_name(VibeLimit limit)
{
	return limit_rules[limit].name;
}

/* Note a problem with its line; always false, for callers to return. */
static bool
fail(Parser *parser, const char *format,...)
{
	StringInfoData text;
	va_list		args;

	initStringInfo(&text);
	appendStringInfo(&text, "line %d: ", parser->line);
	for (;;)
	{
		int			needed;

		va_start(args, format);
		needed = appendStringInfoVA(&text, format, args);
		va_end(args);
		if (needed == 0)
			break;
		enlargeStringInfo(&text, needed);
	}
	parser->problem = text.data;
	return false;
}

static bool
is_env_name(const char *name)
{
	if (!((name[0] >= 'A' && name[0] <= 'Z') || (name[0] >= 'a' && name[0] <= 'z') || name[0] == '_'))
		return false;
	return name[strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_")] == '\0';
}

/*
 * Blanks separate words, double quotes group, and a # where a word could
 * begin starts a comment.  There is no escape character.
 */
static bool
split_words(Parser *parser, const char *text, List **words)
{
	*words = NIL;
	for (;;)
	{
		StringInfoData word;
		bool		quoted = false;

		text += strspn(text, " \t");
		if (*text == '\0' || *text == '#')
			return true;
		initStringInfo(&word);
		for (; *text != '\0' && (quoted || (*text != ' ' && *text != '\t')); text++)
		{
			if (*text == '"')
				quoted = !quoted;
			else if ((unsigned char) *text < 0x20 || *text == 0x7f)
				return fail(parser, "control character in value");
			else
				appendStringInfoChar(&word, *text);
		}
		if (quoted)
			return fail(parser, "double quote is not closed");
		*words = lappend(*words, word.data);
	}
}

/* NAME=value or NAME:file */
static bool
parse_pairs(Parser *parser, const char *key, List *words, char separator, List **pairs)
{
	ListCell   *cell;

	foreach(cell, words)
	{
		char	   *word = lfirst(cell);
		char	   *mark = strchr(word, separator);
		VibePair   *pair = palloc(sizeof(VibePair));

		if (mark == NULL)
			return fail(parser, "%s needs words of the form NAME%cVALUE, not \"%s\"",
						key, separator, word);
		pair->name = pnstrdup(word, mark - word);
		pair->value = pstrdup(mark + 1);
		if (!is_env_name(pair->name))
			return fail(parser, "\"%s\" is not the name of an environment variable", pair->name);
		if (strncmp(pair->name, "VIBE_", 5) == 0)
			return fail(parser, "variables that begin with VIBE_ are set by the shim");
		*pairs = lappend(*pairs, pair);
	}
	return true;
}

/* A decimal number, with kB, MB or GB if it is a size. */
static bool
parse_int(const char *text, bool size, int64 min, int64 max, int64 *value)
{
	char	   *end;
	int64		factor = 1;

	if (*text < '0' || *text > '9')
		return false;
	errno = 0;
	*value = strtoll(text, &end, 10);
	if (errno != 0)
		return false;
	if (size && *end != '\0')
	{
		if (strcmp(end, "kB") == 0)
			factor = INT64CONST(1) << 10;
		else if (strcmp(end, "MB") == 0)
			factor = INT64CONST(1) << 20;
		else if (strcmp(end, "GB") == 0)
			factor = INT64CONST(1) << 30;
		else
			return false;
	}
	else if (*end != '\0')
		return false;
	if (*value > max / factor)
		return false;
	*value *= factor;
	return *value >= min && *value <= max;
}

static bool
key_kind(Parser *parser, const char *key, List *words)
{
	char	   *kind = linitial(words);

	parser->runner->kind = vibe_kind_find(kind);
	if (parser->runner->kind == NULL)
		return fail(parser, "kind \"%s\" is not supported; supported kinds: %s", kind, vibe_kind_names());
	return true;
}

static bool
key_program(Parser *parser, const char *key, List *words)
{
	parser->runner->program = linitial(words);
	if (parser->runner->program[0] != '/')
		return fail(parser, "program must be an absolute path");
	return true;
}

/* A placeholder is a whole argument: text around it could change its meaning. */
static bool
key_args(Parser *parser, const char *key, List *words)
{
	ListCell   *cell;

	foreach(cell, words)
	{
		char	   *word = lfirst(cell);

		for (const char *const *name = vibe_placeholders; *name != NULL; name++)
		{
			if (strstr(word, *name) != NULL && strcmp(word, *name) != 0)
				return fail(parser, "%s must be a word of its own", *name);
		}
	}
	parser->runner->args = words;
	return true;
}

static bool
key_prefix(Parser *parser, const char *key, List *words)
{
	if (words != NIL && ((char *) linitial(words))[0] != '/')
		return fail(parser, "prefix must begin with an absolute path");
	parser->runner->prefix = words;
	return true;
}

static bool
key_env(Parser *parser, const char *key, List *words)
{
	return parse_pairs(parser, key, words, '=', &parser->runner->env);
}

static bool
key_pass_env(Parser *parser, const char *key, List *words)
{
	ListCell   *cell;

	foreach(cell, words)
	{
		char	   *name = lfirst(cell);

		if (!is_env_name(name))
			return fail(parser, "\"%s\" is not the name of an environment variable", name);
		if (strncmp(name, "PG", 2) == 0 || strncmp(name, "VIBE_", 5) == 0)
			return fail(parser, "the server's variable \"%s\" cannot be passed on", name);
	}
	parser->runner->pass_env = words;
	return true;
}

static bool
key_secret_env(Parser *parser, const char *key, List *words)
{
	ListCell   *cell;

	if (!parse_pairs(parser, key, words, ':', &parser->runner->secret_env))
		return false;
	foreach(cell, parser->runner->secret_env)
	{
		VibePair   *pair = lfirst(cell);

		if (pair->value[0] != '/')
			return fail(parser, "the file of secret \"%s\" must be an absolute path", pair->name);
	}
	return true;
}

static bool
key_path(Parser *parser, const char *key, List *words)
{
	char	   *path = linitial(words);

	/* an empty element means the current directory, which the agent can write */
	if (path[0] != '/' || strstr(path, "::") != NULL || path[strlen(path) - 1] == ':')
		return fail(parser, "path must be a list of absolute directories");
	for (char *colon = strchr(path, ':'); colon != NULL; colon = strchr(colon + 1, ':'))
	{
		if (colon[1] != '/')
			return fail(parser, "path must be a list of absolute directories");
	}
	parser->runner->path = path;
	return true;
}

static bool
key_max_parallel(Parser *parser, const char *key, List *words)
{
	int64		value;

	if (!parse_int(linitial(words), false, 1, MAX_PARALLEL, &value))
		return fail(parser, "max_parallel must be a number from 1 to %d", MAX_PARALLEL);
	parser->runner->max_parallel = (int) value;
	return true;
}

static bool
key_limits(Parser *parser, const char *key, List *words)
{
	ListCell   *cell;

	foreach(cell, words)
	{
		char	   *word = lfirst(cell);
		char	   *mark = strchr(word, '=');
		int			i;

		if (mark == NULL)
			return fail(parser, "limits needs words of the form NAME=NUMBER, not \"%s\"", word);
		for (i = 0; i < LIMIT_COUNT; i++)
		{
			if (strlen(limit_rules[i].name) == mark - word &&
				strncmp(limit_rules[i].name, word, mark - word) == 0)
				break;
		}
		if (i == LIMIT_COUNT)
			return fail(parser, "unknown limit \"%.*s\"", (int) (mark - word), word);
		if (!parse_int(mark + 1, limit_rules[i].size, limit_rules[i].min, limit_rules[i].max,
					   &parser->runner->limits[i]))
			return fail(parser, "limit \"%s\" must be a number from " INT64_FORMAT " to " INT64_FORMAT,
						limit_rules[i].name, limit_rules[i].min, limit_rules[i].max);
	}
	return true;
}

static bool
key_workspace_root(Parser *parser, const char *key, List *words)
{
	parser->runner->workspace_root = linitial(words);
	if (parser->runner->workspace_root[0] != '/')
		return fail(parser, "workspace_root must be an absolute path");
	return true;
}

/* Letters, digits, "_" and "-", not beginning with one of the latter two. */
static bool
is_plain_name(const char *text)
{
	size_t		length = strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-");

	return length > 0 && length < NAMEDATALEN && text[length] == '\0' && strchr("_-", text[0]) == NULL;
}

static bool
key_provider(Parser *parser, const char *key, List *words)
{
	parser->runner->provider = linitial(words);
	if (!is_plain_name(parser->runner->provider))
		return fail(parser, "provider must be a name of letters, digits, \"_\" and \"-\"");
	return true;
}

/* Whether there is such a runner is known at the end of the file. */
static bool
key_fallback(Parser *parser, const char *key, List *words)
{
	parser->runner->fallback = linitial(words);
	return true;
}

static bool
key_fallback_model(Parser *parser, const char *key, List *words)
{
	parser->runner->fallback_model = linitial(words);
	if (!vibe_is_model(parser->runner->fallback_model))
		return fail(parser, "fallback_model must be the name of a model");
	return true;
}

/*
 * Each fallback names another runner, and that runner's provider is another one.
 * A fallback's model is for the fallback, or for a program that can change its
 * model by itself.
 */
static bool
check_fallbacks(Parser *parser)
{
	ListCell   *cell;

	foreach(cell, parser->set->runners)
	{
		VibeRunner *runner = lfirst(cell);
		VibeRunner *other;

		parser->line = runner->line;
		if (runner->fallback == NULL && runner->fallback_model != NULL &&
			!vibe_runner_has_word(runner, "{fallback_model}"))
			return fail(parser, "runner \"%s\" has a fallback_model but no fallback that would use it", runner->name);
		if (runner->fallback == NULL)
			continue;
		other = vibe_runner_find(parser->set, runner->fallback);
		if (other == NULL)
			return fail(parser, "fallback \"%s\" of runner \"%s\" is no runner", runner->fallback, runner->name);
		if (runner->provider == NULL)
			return fail(parser, "runner \"%s\" has a fallback but no provider that could be paused", runner->name);
		if (other->provider != NULL && strcmp(other->provider, runner->provider) == 0)
			return fail(parser, "fallback \"%s\" of runner \"%s\" has the same provider", runner->fallback, runner->name);
	}
	return true;
}

/* "[name]": finish the block before, begin a new one. */
static bool
begin_block(Parser *parser, const char *line)
{
	size_t		length = strspn(line + 1, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-");
	const char *rest = line + 1 + length;
	VibeRunner *runner;

	if (!end_block(parser))
		return false;
	if (length == 0 || length >= NAMEDATALEN || *rest != ']')
		return fail(parser, "a block begins with [name], of letters, digits, \"_\" and \"-\", at most %d", NAMEDATALEN - 1);
	rest++;
	rest += strspn(rest, " \t");
	if (*rest != '\0' && *rest != '#')
		return fail(parser, "text after [name]");
	if (list_length(parser->set->runners) >= MAX_RUNNERS)
		return fail(parser, "more than %d runners", MAX_RUNNERS);

	runner = palloc0(sizeof(VibeRunner));
	memcpy(runner->name, line + 1, length);
	if (vibe_runner_find(parser->set, runner->name) != NULL)
		return fail(parser, "runner \"%s\" is defined twice", runner->name);
	runner->line = parser->line;
	runner->path = DEFAULT_PATH;
	/* without a limit of its own a runner is held by max_runs alone */
	runner->max_parallel = MAX_PARALLEL;
	for (int i = 0; i < LIMIT_COUNT; i++)
		runner->limits[i] = LIMIT_NOT_GIVEN;
	parser->runner = runner;
	parser->seen = 0;
	return true;
}

/* Check what a block must have, and whether its runner may be used. */
static bool
end_block(Parser *parser)
{
	VibeRunner *runner = parser->runner;

	if (runner == NULL)
		return true;
	if (runner->kind == NULL || runner->program == NULL)
	{
		parser->line = runner->line;
		return fail(parser, "runner \"%s\" has no %s", runner->name,
					runner->kind == NULL ? "kind" : "program");
	}
	/* some may well say nothing until they are done */
	for (int i = 0; i < LIMIT_COUNT; i++)
	{
		bool		quiet = (i == LIMIT_START && runner->kind->quiet_start) ||
		(i == LIMIT_IDLE && runner->kind->quiet);

		if (runner->limits[i] == LIMIT_NOT_GIVEN)
			runner->limits[i] = quiet ? 0 : limit_rules[i].initial;
	}
	if (runner->prefix == NIL && !vibe_allow_same_user)
		runner->problem = "no prefix, and vibe_orchestrator.allow_same_user is off";
	parser->set->runners = lappend(parser->set->runners, runner);
	parser->runner = NULL;
	return true;
}

/* One line: empty, comment, [name], or key = words. */
static bool
parse_line(Parser *parser, char *line)
{
	char	   *mark;
	char	   *key;
	List	   *words;
	int			i;

	line += strspn(line, " \t");
	if (*line == '\0' || *line == '#')
		return true;
	if (*line == '[')
		return begin_block(parser, line);

	mark = strchr(line, '=');
	if (mark == NULL)
		return fail(parser, "expected \"[name]\" or \"key = value\"");
	if (parser->runner == NULL)
		return fail(parser, "a key needs a [name] above it");
	key = pnstrdup(line, mark - line);
	while (key[0] != '\0' && strchr(" \t", key[strlen(key) - 1]) != NULL)
		key[strlen(key) - 1] = '\0';
	for (i = 0; i < lengthof(key_rules); i++)
	{
		if (strcmp(key_rules[i].name, key) == 0)
			break;
	}
	if (i == lengthof(key_rules))
		return fail(parser, "unknown key \"%s\"", key);
	if (parser->seen & (1U << i))
		return fail(parser, "key \"%s\" stands twice in one block", key);
	parser->seen |= 1U << i;
	if (!split_words(parser, mark + 1, &words))
		return false;
	if (key_rules[i].single && (list_length(words) != 1 || ((char *) linitial(words))[0] == '\0'))
		return fail(parser, "key \"%s\" takes one word", key);
	return key_rules[i].handler(parser, key, words);
}

/*
 * Read, check and parse the file.  The set lives in a context of its own
 * below the current one; NULL and a problem (in the current context) if the
 * file cannot be used.
 */
VibeRunnerSet *
vibe_runner_file_read(const char *path, char **problem)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "vibe runners",
												  ALLOCSET_SMALL_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	Parser		parser = {0};
	char	   *reason = NULL;
	char	   *text = vibe_trusted_file_read(path, &reason);
	bool		good = text != NULL;

	parser.set = palloc0(sizeof(VibeRunnerSet));
	parser.set->context = context;
	while (good && text != NULL)
	{
		char	   *end = strchr(text, '\n');

		parser.line++;
		if (end != NULL)
			*end = '\0';
		if (end != NULL && end > text && end[-1] == '\r')
			end[-1] = '\0';
		good = parse_line(&parser, text);
		text = end != NULL ? end + 1 : NULL;
	}
	good = good && end_block(&parser) && check_fallbacks(&parser);
	if (good && parser.set->runners == NIL)
	{
		reason = pstrdup("names no runner");
		good = false;
	}

	MemoryContextSwitchTo(old);
	if (good)
		return parser.set;
	*problem = psprintf("runner file \"%s\": %s", path, parser.problem ? parser.problem : reason);
	MemoryContextDelete(context);
	return NULL;
}

VibeRunner *
vibe_runner_find(VibeRunnerSet *set, const char *name)
{
	ListCell   *cell;

	if (set == NULL)
		return NULL;
	foreach(cell, set->runners)
	{
		VibeRunner *runner = lfirst(cell);

		if (strcmp(runner->name, name) == 0)
			return runner;
	}
	return NULL;
}
