BEGIN;
SELECT plan(6);

SELECT t.now('2030-01-01 12:00+00') \g /dev/null
SELECT t.campaign(t.pipeline(1), 2) AS c \gset
SELECT t.task(:c, 1) AS ended \gset
SELECT t.task(:c, 2) AS open \gset
SELECT t.done(:ended) \g /dev/null
PREPARE unneeded AS SELECT vibe._unneeded_workspaces(ARRAY[:ended, :open, -1], 3600, $1);
SELECT is_empty('EXECUTE unneeded(false)', 'none has been there too long');
SELECT t.now('2030-01-01 13:00+00') \g /dev/null
SELECT results_eq('EXECUTE unneeded(false)', ARRAY[:ended::bigint], 'after the retention that of an ended task');
SELECT set_eq('EXECUTE unneeded(true)', ARRAY[:ended::bigint, -1], 'and one that belongs to no task');
SELECT results_eq(format('SELECT vibe._unneeded_run_files(ARRAY[%s, -1])', (SELECT max(id) FROM vibe.runs)), ARRAY[-1::bigint], 'files of a run that is not there');
UPDATE vibe.home SET identity = 'elsewhere';
SELECT is_empty('EXECUTE unneeded(true)', 'none of data that lives elsewhere');
SELECT is_empty('SELECT vibe._unneeded_run_files(ARRAY[-1])', 'nor files of runs');

SELECT * FROM finish();
ROLLBACK;
