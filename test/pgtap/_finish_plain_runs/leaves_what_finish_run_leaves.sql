BEGIN;
SELECT plan(8);

SELECT t.campaign(t.pipeline(3, '{}', '{"1": {"output_dir": "research"}}'), 4) AS c \gset
CREATE TEMP TABLE run AS SELECT row_number() OVER (ORDER BY r) AS n, r AS id FROM t.claim(4) r;
UPDATE vibe.runs SET provider = 'acme' WHERE id IN (SELECT id FROM run);
INSERT INTO vibe.providers (name, paused_at, paused_until, pause_reason, pauses_in_a_row) VALUES ('acme', now() - interval '2 h', now() - interval '1 h', 'over its limit', 1);
CREATE FUNCTION pg_temp.record(outcome text) RETURNS text LANGUAGE sql AS $$
    SELECT jsonb_build_object('protocol', 1, 'outcome', outcome, 'exit_code', 0, 'session', 's-1', 'stdout_tail', 'said', 'leftover_processes', 2,
        'usage', '{"input_tokens": 7, "output_tokens": 5, "cost_usd": 0.25, "model": "big"}'::jsonb,
        'result', '{"score": 81, "summary": "good", "output_path": "a.md", "output": {"x": 1}}'::jsonb)::text $$;
SELECT vibe._lock_runs(ARRAY(SELECT id FROM run)) \g /dev/null
CREATE TEMP TABLE set_wise AS
    SELECT p.* FROM vibe._finish_plain_runs(ARRAY(SELECT id FROM run WHERE n IN (1, 2) ORDER BY n), ARRAY[pg_temp.record('done'), pg_temp.record('failed')]) p;
SELECT results_eq('SELECT run_id FROM set_wise', 'SELECT id FROM run WHERE n = 1', 'a run that is done is finished, one that failed is left to be finished alone');
SELECT is((SELECT paused_until FROM vibe.providers WHERE name = 'acme'), NULL, 'its provider works');
SELECT is((SELECT publish_path FROM vibe._finish_run((SELECT id FROM run WHERE n = 3), pg_temp.record('done'))), (SELECT replace(publish_path, (SELECT slug FROM vibe.tasks WHERE id = t.task(:c, 1)), (SELECT slug FROM vibe.tasks WHERE id = t.task(:c, 3))) FROM set_wise),
    'its output is published where it belongs');
CREATE FUNCTION pg_temp.state(n bigint) RETURNS jsonb LANGUAGE sql AS $$
    SELECT (to_jsonb(r) || to_jsonb(w) || to_jsonb(k)) - '{id,task_id,token_hash,session_id,claim_event,close_event,closed_at,ended_at,since,slug,title,number,keyword_number,updated_at}'::text[] || jsonb_build_object('step_done', r.step)
      FROM run x JOIN vibe.runs r ON r.id = x.id JOIN vibe.work w ON w.task_id = r.task_id JOIN vibe.tasks k ON k.id = r.task_id WHERE x.n = state.n $$;
SELECT is(pg_temp.state(1), pg_temp.state(3), 'run, step and task are as if it had been finished alone');
SELECT results_eq($$SELECT r.session_id, r.cost_usd, r.input_tokens, r.output_tail FROM vibe.runs r JOIN run x ON x.id = r.id WHERE x.n = 1$$,
    $$VALUES ('s-1', 0.25, 7::bigint, 'said')$$, 'with what its process told');
SELECT is_empty($$SELECT * FROM vibe._finish_plain_runs(ARRAY(SELECT id FROM run WHERE n = 1), ARRAY[pg_temp.record('done')])$$, 'once');
SELECT throws_ok($$SELECT vibe._finish_plain_runs(ARRAY(SELECT id FROM run WHERE n = 4), ARRAY['no json'])$$, '22P02', NULL, 'what cannot be read is an error');
SELECT is(t.outcome((SELECT id FROM run WHERE n = 4)), NULL, 'and changes nothing');

SELECT * FROM finish();
ROLLBACK;
