BEGIN;
SELECT plan(6);

SELECT id AS f FROM vibe.fork_pipeline(3, 'mine') \gset
CREATE FUNCTION pg_temp.model(p bigint, branch text, step int) RETURNS text LANGUAGE sql
    AS $$ SELECT coalesce(s.model, '-') FROM vibe.current_pipelines c JOIN vibe.pipeline_steps s ON s.pipeline_version_id = c.version_id WHERE c.id = p AND s.branch = $2 AND s.step = $3 $$;
SELECT is(version, 2, 'a new version') FROM vibe.set_step_models(:f, '{"3": "opus", "Hero Image": "haiku", "4": null}');
SELECT is(concat_ws(' ', pg_temp.model(:f, '', 3), pg_temp.model(:f, 'Hero Image', 0), pg_temp.model(:f, '', 4)), 'opus haiku -', 'the ones that are named');
SELECT is(concat_ws(' ', pg_temp.model(:f, '', 1), pg_temp.model(:f, 'Social Posts', 0)), 'sonnet sonnet', 'and no others');
SELECT is(version, 2, 'the same again makes no version') FROM vibe.set_step_models(:f, '{"3": "opus"}');
SELECT is((SELECT definition - 'main_steps' - 'parallel_branches' FROM vibe.get_pipeline(:f)), (SELECT definition - 'main_steps' - 'parallel_branches' FROM vibe.get_pipeline(3)), 'the rest stays');
SELECT is(model, 'sonnet', 'the earlier version too') FROM vibe.pipeline_versions v JOIN vibe.pipeline_steps s ON s.pipeline_version_id = v.id WHERE v.pipeline_id = :f AND v.number = 1 AND s.step = 3;

SELECT * FROM finish();
ROLLBACK;
