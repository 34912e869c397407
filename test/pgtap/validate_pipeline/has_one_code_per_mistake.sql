BEGIN;
SELECT plan(44);

CREATE FUNCTION pg_temp.has(definition jsonb, code text) RETURNS SETOF text LANGUAGE sql
    AS $$ SELECT is(t.problems(definition), code, coalesce(code, 'nothing') || ' in ' || left(definition::text, 100)) $$;
SELECT pg_temp.has(definition, 'empty not_an_object') FROM unnest(ARRAY['null', '5', '"x"', '[]', '[{}]']::jsonb[]) definition;
SELECT pg_temp.has(NULL, 'empty not_an_object');
SELECT pg_temp.has('{"main_steps": []}', 'empty');
SELECT pg_temp.has('{"main_steps": [{"label": "Nobody"}]}', 'empty');
SELECT pg_temp.has('{"main_steps": {"label": "x"}}', 'empty not_an_array');
SELECT pg_temp.has(t.definition(1) || '{"parallel_branches": "none"}', 'not_an_array');
SELECT pg_temp.has(t.definition(1000), 'too_long');
SELECT pg_temp.has('{"main_steps": [{"agent": "agent-1", "label": "a"}, 5]}', 'step_not_an_object');
SELECT pg_temp.has(t.definition(1, '{}', '{"1": {"label": " "}}'), 'no_label');
SELECT pg_temp.has(t.definition(1, '{}', jsonb_build_object('1', jsonb_build_object('label', repeat('x', 201)))), 'label_too_long');
SELECT pg_temp.has(t.definition(2, '{}', '{"2": {"order": 1}}'), 'duplicate_order');
SELECT pg_temp.has(t.definition(1, '{}', jsonb_build_object('1', jsonb_build_object('order', given))), 'invalid_order')
  FROM unnest(ARRAY['-1', '1.5', '"x"', '12345678', 'true']::jsonb[]) given;
SELECT pg_temp.has(t.definition(1, '{}', '{"1": {"agent": "nobody"}}'), 'unknown_agent');
SELECT pg_temp.has(t.definition(1, '{}', '{"1": {"model": "x --add-dir /"}}'), 'invalid_model');
SELECT pg_temp.has(t.definition(1, '{}', '{"1": {"output_dir": "../x"}}'), 'invalid_output_dir');
SELECT pg_temp.has(t.definition(1, '{}', jsonb_build_object('1', jsonb_build_object('timeout', given))), 'invalid_timeout')
  FROM unnest(ARRAY['0', '-1', '"1000 years"', '"soon"', '1e300']::jsonb[]) given;
SELECT pg_temp.has(t.definition(1, '{}', jsonb_build_object('1', jsonb_build_object('max_attempts', given))), 'invalid_max_attempts')
  FROM unnest(ARRAY['0', '101', '"many"']::jsonb[]) given;
SELECT pg_temp.has(t.definition(1, '{}', '{"1": {"gate": "robot"}}'), 'unknown_gate');
SELECT pg_temp.has(t.definition(1, jsonb_build_object('parallel_branches', jsonb_build_array(t.branch('', 1)))), 'branch_without_label');
SELECT pg_temp.has(t.definition(1, jsonb_build_object('parallel_branches', jsonb_build_array(t.branch('a', 1), t.branch('a', 1)))), 'duplicate_branch');
SELECT pg_temp.has(t.definition(1, jsonb_build_object('parallel_branches', jsonb_build_array(t.branch('a', 1, '{"agent": null}')))), 'branch_without_agent');
SELECT pg_temp.has(t.definition(1, jsonb_build_object('parallel_branches', jsonb_build_array(t.branch('a', 9)))), 'unknown_trigger');
SELECT pg_temp.has(t.definition(1, jsonb_build_object('parallel_branches', jsonb_build_array(t.branch('a', 1, '{"trigger_after_step": "soon"}')))), 'unknown_trigger');
SELECT pg_temp.has(t.definition(1, '{"convergence_step": 9}'), 'unknown_convergence');
SELECT pg_temp.has(t.definition(1, '{"on_complete": [1]}'), 'invalid_on_complete');
SELECT pg_temp.has(t.definition(1, '{"onComplete": true}'), 'invalid_on_complete');
SELECT pg_temp.has(t.definition(1, '{}', jsonb_build_object('1', jsonb_build_object('description', given))), 'not_text')
  FROM unnest(ARRAY['{"a": 1}', '[]', 'true']::jsonb[]) given;
SELECT pg_temp.has(t.definition(1, '{}', '{"1": {"label": []}}'), 'not_text');

SELECT * FROM finish();
ROLLBACK;
