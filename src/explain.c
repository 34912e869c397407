/*-------------------------------------------------------------------------
 *
 * explain.c
 *		What a run would be started with, without starting it.
 *
 * The record comes from the function that the dispatcher writes it with, and
 * the runner from the file as it is now, so what is shown is what would happen.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <pwd.h>
#include <unistd.h>

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "guc.h"
#include "launch.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "run_directory.h"
#include "runner.h"
#include "runner_file.h"
#include "shmem.h"
#include "utils/array.h"
#include "utils/builtins.h"

#define EXPLAIN_COLUMNS 4

static Datum utf8_datum(const char *text, bool *isnull);
static char *own_workspace(VibeRunner *runner, const char *workspace);
static Datum passed_variables(VibeRunner *runner);

PG_FUNCTION_INFO_V1(vibe_explain_launch);

/* UTF-8 as text of the database. */
static Datum
utf8_datum(const char *text, bool *isnull)
{
	*isnull = text == NULL;
	return text == NULL ? (Datum) 0 : CStringGetTextDatum(pg_any_to_server(text, strlen(text), PG_UTF8));
}

/*
 * Where the agent works.  Another user works below workspace_root or in his own
 * home, in a directory with the same last two names; NULL if he cannot be told.
 */
static char *
own_workspace(VibeRunner *runner, const char *workspace)
{
	const char *user = vibe_runner_user(runner);
	struct passwd *entry = user != NULL ? getpwnam(user) : NULL;
	const char *names = strrchr(workspace, '/');

	if (runner->prefix == NIL)
		return pstrdup(workspace);
	for (names--; *names != '/'; names--)
		;
	if (runner->workspace_root != NULL)
		return psprintf("%s/workspaces%s", runner->workspace_root, names);
	if (entry == NULL || entry->pw_dir == NULL || entry->pw_dir[0] != '/')
		return NULL;
	return psprintf("%s/vibe_orchestrator/workspaces%s", entry->pw_dir, names);
}

/* Those variables of pass_env that the server's environment has. */
static Datum
passed_variables(VibeRunner *runner)
{
	Datum	   *names = palloc(Max(list_length(runner->pass_env), 1) * sizeof(Datum));
	int			count = 0;
	ListCell   *cell;

	foreach(cell, runner->pass_env)
	{
		if (getenv(lfirst(cell)) != NULL)
			names[count++] = CStringGetTextDatum(lfirst(cell));
	}
	return PointerGetDatum(construct_array(names, count, TEXTOID, -1, false, TYPALIGN_INT));
}

/* vibe._explain_launch(run, runner): launch record, workspace, passed variables, problem. */
Datum
vibe_explain_launch(PG_FUNCTION_ARGS)
{
	char	   *run = text_to_cstring(PG_GETARG_TEXT_PP(0));
	char	   *name = text_to_cstring(PG_GETARG_TEXT_PP(1));
	char	   *problem = NULL;
	char	   *record = NULL;
	char	   *workspace = NULL;
	VibeRunnerSet *set;
	VibeRunner *runner;
	TupleDesc	columns;
	Datum		values[EXPLAIN_COLUMNS] = {0};
	bool		nulls[EXPLAIN_COLUMNS];

	vibe_shmem_require();
	if (get_call_result_type(fcinfo, NULL, &columns) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	(void) vibe_run_directory_locate(MyDatabaseId);
	set = vibe_runner_file_read(vibe_runner_config, &problem);
	runner = vibe_runner_find(set, name);
	if (set != NULL && runner == NULL)
		problem = psprintf("runner \"%s\" is not in the runner file", name);
	if (runner != NULL)
	{
		record = vibe_launch_record(runner, pg_server_to_any(run, strlen(run), PG_UTF8),
									&workspace, &problem);
		if (problem == NULL)
			problem = vibe_runner_problems(runner);
	}
	if (workspace != NULL)
		workspace = own_workspace(runner, workspace);
	values[0] = utf8_datum(record, &nulls[0]);
	values[1] = utf8_datum(workspace, &nulls[1]);
	nulls[2] = runner == NULL;
	if (runner != NULL)
		values[2] = passed_variables(runner);
	values[3] = utf8_datum(problem, &nulls[3]);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(columns), values, nulls)));
}
