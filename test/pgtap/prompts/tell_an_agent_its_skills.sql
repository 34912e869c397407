BEGIN;
SELECT plan(3);

SELECT count(*) FROM unnest('{a,b}'::text[]) s, vibe.register_skill(s, upper(s), '/skills/{title}/' || s) \g /dev/null
SELECT count(*) FROM vibe.set_agent_skills('agent-1', '{b,a}'), vibe.register_agent('agent-1', prompt_template => 'Skills: {skills}.') \g /dev/null
SELECT t.campaign(t.pipeline(2)) AS c \gset
SELECT run AS one FROM vibe._claim_runs('{default}', '{1}', 1) \gset
SELECT is(:'one'::jsonb ->> 'prompt', E'Skills: b (/skills/{title}/b)\na (/skills/{title}/a).', 'in its prompt');
SELECT is(:'one'::jsonb -> 'skills', '[{"slug": "b", "path": "/skills/{title}/b", "kind": "skill"}, {"slug": "a", "path": "/skills/{title}/a", "kind": "skill"}]'::jsonb, 'and as data');
SELECT count(*) FROM vibe.set_agent_skills('agent-1', '{}') \g /dev/null
SELECT count(*) FROM vibe.update_agent('agent-1', '{"prompt_template": null}') \g /dev/null
SELECT matches(vibe._launch(r, NULL) ->> 'prompt', E'\nSkills:\n-\n', 'none is none') FROM vibe.runs r WHERE r.id = (:'one'::jsonb ->> 'run_id')::bigint;

SELECT * FROM finish();
ROLLBACK;
