BEGIN;
SELECT plan(4);

SELECT t.campaign(t.pipeline(3, '{}', '{"1": {"output_dir": "research"}, "2": {"output_dir": "briefs"}, "3": {"output_dir": "drafts"}}')) AS c \gset
SELECT t.claim() AS run \gset
SELECT publish_path AS path FROM vibe._finish_plain_runs(ARRAY[:run]::bigint[], ARRAY['{"outcome": "done", "staged": true}']) \gset
SELECT matches(:'path'::text, '/research/', 'a staged file has its place');
SELECT t.claim() AS run \gset
SELECT results_eq(format('SELECT publish_path FROM vibe._finish_plain_runs(ARRAY[%s]::bigint[], ARRAY[%L])', :run, '{"outcome": "done", "staged": false}'),
    ARRAY[NULL::text], 'where none was staged there is none');
SELECT t.claim() AS run \gset
SELECT is((SELECT publish_path FROM vibe._finish_run(:run, '{"outcome": "done", "staged": false}')), NULL, 'nor at the end of a task');
SELECT matches((SELECT publish_path FROM vibe._finish_run(:run, '{"outcome": "done"}')), '/drafts/', 'a record that does not say may have one');

SELECT * FROM finish();
ROLLBACK;
