/*-------------------------------------------------------------------------
 *
 * runner.c
 *		A runner at work: its command line, its half of a launch record.
 *
 * Values of the database enter a command line only as whole arguments in the
 * places that the runner file names, and only if they look like what they
 * should be: nothing that a task holds can become an option.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <errno.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "errors.h"
#include "fmgr.h"
#include "funcapi.h"
#include "guc.h"
#include "json_peek.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "runner.h"
#include "runner_file.h"
#include "shmem.h"
#include "utils/builtins.h"
#include "utils/json.h"
#include "utils/tuplestore.h"

#define MAX_MODEL_LENGTH 100
#define RUNNER_COLUMNS 12

static bool is_amount(const char *text);
static bool can_resume(const VibeKind *kind, const char *run, size_t length);
static VibePeek fill_fallback_model(VibeRunner *runner, const char *run, size_t length,
									char *value, size_t size);
static bool fill_word(VibeRunner *runner, const char *word, const char *run, size_t length,
					  bool resumed, char *value, size_t size, VibePeek *peek, char **problem);
static void json_words(StringInfo out, const char *key, List *words);
static Datum text_datum(const char *text);
static bool changes_user(const char *program);
static int	program_is(VibeRunner *runner, bool executable);

PG_FUNCTION_INFO_V1(vibe_runners);

const char *const vibe_placeholders[] = {"{session}", "{model}", "{budget}", "{fallback_model}", NULL};

/* the field of a run that each of the first ones stands for, and how it is checked */
static const struct
{
	const char *key;
	bool		(*valid) (const char *text);
}			fillings[] = {
	{"session", vibe_is_uuid},
	{"model", vibe_is_model},
	{"budget_usd", is_amount},
};

bool
vibe_is_model(const char *text)
{
	size_t		length = strlen(text);

	return length >= 1 && length <= MAX_MODEL_LENGTH && text[0] != '-' &&
		strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:@/-") == length;
}

static bool
is_amount(const char *text)
{
	size_t		whole = strspn(text, "0123456789");
	size_t		fraction = text[whole] == '.' ? strspn(text + whole + 1, "0123456789") : 0;

	if (whole == 0 || whole > 12 || fraction > 12)
		return false;
	return text[whole] == '\0' || (fraction > 0 && text[whole + 1 + fraction] == '\0');
}

/* Does this word stand in the command lines of a runner's fresh runs? */
bool
vibe_runner_has_word(VibeRunner *runner, const char *word)
{
	List	   *words = list_concat(vibe_kind_words(runner->kind->fresh.before), runner->args);
	ListCell   *cell;

	foreach(cell, words)
	{
		if (strcmp(lfirst(cell), word) == 0)
			return true;
	}
	return false;
}

/*
 * The model that a program may change to by itself: none where another runner
 * stands in, whose model it is.  Claude refuses to start if it is the model that
 * it has anyway.
 */
static VibePeek
fill_fallback_model(VibeRunner *runner, const char *run, size_t length, char *value, size_t size)
{
	if (runner->fallback_model == NULL || runner->fallback != NULL ||
		(vibe_json_peek(run, length, "model", value, size) == PEEK_VALUE &&
		 strcmp(value, runner->fallback_model) == 0))
		return PEEK_ABSENT;
	strlcpy(value, runner->fallback_model, size);
	return PEEK_VALUE;
}

/* Does the run go on with a session that its program can know? */
static bool
can_resume(const VibeKind *kind, const char *run, size_t length)
{
	char		session[256];

	return kind->can_resume != NULL &&
		vibe_json_peek(run, length, "resume_session", session, sizeof(session)) == PEEK_VALUE &&
		kind->can_resume(session);
}

/*
 * The value for one word of args; peek says whether there is one.  resumed is
 * set when {session} is the one to go on with, which was checked before.
 */
static bool
fill_word(VibeRunner *runner, const char *word, const char *run, size_t length,
		  bool resumed, char *value, size_t size, VibePeek *peek, char **problem)
{
	if (strcmp(word, "{fallback_model}") == 0)
	{
		*peek = fill_fallback_model(runner, run, length, value, size);
		return true;
	}
	if (resumed && strcmp(word, "{session}") == 0)
	{
		*peek = vibe_json_peek(run, length, "resume_session", value, size);
		return true;
	}
	for (int i = 0; i < lengthof(fillings); i++)
	{
		if (strcmp(word, vibe_placeholders[i]) != 0)
			continue;
		*peek = vibe_json_peek(run, length, fillings[i].key, value, size);
		if (*peek == PEEK_ODD || (*peek == PEEK_VALUE && !fillings[i].valid(value)))
		{
			*problem = psprintf("value of %s is not acceptable as an argument", vibe_placeholders[i]);
			return false;
		}
		return true;
	}
	strlcpy(value, word, size);
	*peek = PEEK_VALUE;
	return true;
}

/*
 * The command line for a run: program, the words of its kind and args, with
 * placeholders filled in.  A placeholder without a value is left out together
 * with the option before it, so "--model {model}" can stand in the file of runs
 * that have no model.
 */
bool
vibe_runner_fill_argv(VibeRunner *runner, const char *run, size_t length,
					  List **argv, char **problem)
{
	const VibeKind *kind = runner->kind;
	bool		resumed = can_resume(kind, run, length);
	const VibeTemplate *around = resumed ? &kind->resumed : &kind->fresh;
	List	   *words = list_concat(vibe_kind_words(around->before), runner->args);
	ListCell   *cell;

	words = list_concat(words, vibe_kind_words(around->after));
	*argv = list_make1(runner->program);
	foreach(cell, words)
	{
		char	   *word = lfirst(cell);
		size_t		size = Max(strlen(word), 256) + 1;
		char	   *value = palloc(size);
		VibePeek	peek;

		if (!fill_word(runner, word, run, length, resumed, value, size, &peek, problem))
			return false;
		if (peek == PEEK_VALUE)
			*argv = lappend(*argv, value);
		else if (list_length(*argv) > 1 && ((char *) llast(*argv))[0] == '-')
			*argv = list_truncate(*argv, list_length(*argv) - 1);
	}
	return true;
}

static void
json_words(StringInfo out, const char *key, List *words)
{
	ListCell   *cell;

	appendStringInfo(out, "\"%s\":[", key);
	foreach(cell, words)
	{
		if (foreach_current_index(cell) > 0)
			appendStringInfoChar(out, ',');
		escape_json(out, lfirst(cell));
	}
	appendStringInfoString(out, "],");
}

/* The "runner" object of a launch record. */
void
vibe_runner_to_json(StringInfo out, VibeRunner *runner, List *argv)
{
	ListCell   *cell;

	appendStringInfo(out, "{\"name\":\"%s\",\"kind\":\"%s\",", runner->name, runner->kind->name);
	json_words(out, "argv", argv);
	json_words(out, "prefix", runner->prefix);
	json_words(out, "pass_env", runner->pass_env);
	appendStringInfoString(out, "\"secret_env\":[");
	foreach(cell, runner->secret_env)
	{
		VibePair   *pair = lfirst(cell);

		appendStringInfo(out, "%s{\"name\":\"%s\",\"file\":",
						 foreach_current_index(cell) > 0 ? "," : "", pair->name);
		escape_json(out, pair->value);
		appendStringInfoChar(out, '}');
	}
	appendStringInfoString(out, "],\"env\":{");
	foreach(cell, runner->env)
	{
		VibePair   *pair = lfirst(cell);

		appendStringInfo(out, "%s\"%s\":", foreach_current_index(cell) > 0 ? "," : "", pair->name);
		escape_json(out, pair->value);
	}
	appendStringInfoString(out, "},\"path\":");
	escape_json(out, runner->path);
	if (runner->workspace_root != NULL)
	{
		appendStringInfoString(out, ",\"workspace_root\":");
		escape_json(out, runner->workspace_root);
	}
	appendStringInfo(out, ",\"allow_same_user\":%s,\"limits\":{", vibe_allow_same_user ? "true" : "false");
	for (int i = 0; i < LIMIT_COUNT; i++)
		appendStringInfo(out, "%s\"%s\":" INT64_FORMAT, i > 0 ? "," : "",
						 vibe_limit_name(i), runner->limits[i]);
	appendStringInfoString(out, "}}");
}

/* The file is UTF-8, the database may not be. */
static Datum
text_datum(const char *text)
{
	return CStringGetTextDatum(pg_any_to_server(text, strlen(text), PG_UTF8));
}

/* Is this one of the programs that run another as a user? */
static bool
changes_user(const char *program)
{
	static const char *const names[] = {"sudo", "runuser", "doas"};
	const char *slash = strrchr(program, '/');

	for (int i = 0; i < lengthof(names); i++)
	{
		if (strcmp(slash != NULL ? slash + 1 : program, names[i]) == 0)
			return true;
	}
	return false;
}

/*
 * The operating system user its agents run as: the one that the prefix names
 * after sudo's -u or --user, without a prefix the server's own; NULL if a prefix
 * names none.
 */
const char *
vibe_runner_user(VibeRunner *runner)
{
	struct passwd *own = runner->prefix == NIL ? getpwuid(geteuid()) : NULL;
	bool		changes = false;
	ListCell   *cell;

	if (runner->prefix == NIL)
		return own != NULL ? pstrdup(own->pw_name) : psprintf("%u", (unsigned) geteuid());
	foreach(cell, runner->prefix)
	{
		const char *word = lfirst(cell);
		ListCell   *after = lnext(runner->prefix, cell);

		changes = changes || changes_user(word);
		if (!changes)
			continue;
		if (strcmp(word, "-u") == 0 || strcmp(word, "--user") == 0)
			return after != NULL ? lfirst(after) : NULL;
		if (strncmp(word, "--user=", 7) == 0)
			return word + 7;
		if (strncmp(word, "-u", 2) == 0)
			return word + 2;
	}
	return NULL;
}

/*
 * Is its program there, or executable?  1 yes, 0 no, -1 cannot be seen from
 * here: another user may well get where the server does not.
 */
static int
program_is(VibeRunner *runner, bool executable)
{
	struct stat st;

	if (stat(runner->program, &st) != 0)
		return errno == EACCES && runner->prefix != NIL ? -1 : 0;
	if (!S_ISREG(st.st_mode))
		return 0;
	if (!executable || access(runner->program, X_OK) == 0)
		return 1;
	return runner->prefix != NIL && (st.st_mode & (S_IXUSR | S_IXGRP | S_IXOTH)) != 0 ? -1 : 0;
}

/* Everything that keeps it from being used or will make its runs fail; NULL if nothing does. */
char *
vibe_runner_problems(VibeRunner *runner)
{
	StringInfoData text;
	const char *user = vibe_runner_user(runner);

	initStringInfo(&text);
	if (runner->problem != NULL)
		appendStringInfo(&text, "; %s", runner->problem);
	if (program_is(runner, false) == 0)
		appendStringInfo(&text, "; program \"%s\" is not a file that is there", runner->program);
	else if (program_is(runner, true) == 0)
		appendStringInfo(&text, "; program \"%s\" is not executable", runner->program);
	if (runner->prefix != NIL && access(linitial(runner->prefix), X_OK) != 0)
		appendStringInfo(&text, "; prefix program \"%s\" is not executable", (char *) linitial(runner->prefix));
	if (runner->prefix != NIL && user != NULL && getpwnam(user) == NULL)
		appendStringInfo(&text, "; there is no user \"%s\"", user);
	return text.len > 0 ? text.data + 2 : NULL;
}

/* vibe.runners(): the file as it is now, read afresh. */
Datum
vibe_runners(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	VibeRunnerSet *set;
	char	   *problem = NULL;
	ListCell   *cell;

	vibe_shmem_require();
	set = vibe_runner_file_read(vibe_runner_config, &problem);
	if (set == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_VIBE_RUNNER_FILE),
				 errmsg("the runner file cannot be used"),
				 errdetail_internal("%s", pg_any_to_server(problem, strlen(problem), PG_UTF8)),
				 errhint("Correct the file named by vibe_orchestrator.runner_config and reload the configuration.")));

	InitMaterializedSRF(fcinfo, 0);
	foreach(cell, set->runners)
	{
		VibeRunner *runner = lfirst(cell);
		StringInfoData prefix;
		ListCell   *word;
		const char *user = vibe_runner_user(runner);
		char	   *problems = vibe_runner_problems(runner);
		int			found = program_is(runner, false);
		int			executable = program_is(runner, true);
		Datum		values[RUNNER_COLUMNS] = {0};
		bool		nulls[RUNNER_COLUMNS] = {0};

		initStringInfo(&prefix);
		foreach(word, runner->prefix)
			appendStringInfo(&prefix, "%s%s", prefix.len > 0 ? " " : "", (char *) lfirst(word));
		values[0] = text_datum(runner->name);
		values[1] = text_datum(runner->kind->name);
		values[2] = text_datum(runner->program);
		nulls[3] = executable < 0;
		values[3] = BoolGetDatum(executable > 0);
		values[4] = text_datum(prefix.data);
		nulls[4] = runner->prefix == NIL;
		values[5] = Int32GetDatum(runner->max_parallel);
		nulls[6] = runner->provider == NULL;
		if (!nulls[6])
			values[6] = text_datum(runner->provider);
		nulls[7] = runner->fallback == NULL;
		if (!nulls[7])
			values[7] = text_datum(runner->fallback);
		nulls[8] = problems == NULL;
		if (!nulls[8])
			values[8] = text_datum(problems);
		nulls[9] = found < 0;
		values[9] = BoolGetDatum(found > 0);
		nulls[10] = user == NULL;
		if (!nulls[10])
			values[10] = text_datum(user);
		nulls[11] = runner->fallback_model == NULL;
		if (!nulls[11])
			values[11] = text_datum(runner->fallback_model);
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}
	return (Datum) 0;
}
