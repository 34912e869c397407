BEGIN;
SELECT plan(5);

SELECT count(*) FROM vibe.register_agent('mine', default_model => 'opus', description => 'd', level => 'lead', max_parallel => 2) \g /dev/null
SELECT is(row(default_model, description, level, max_parallel)::text, '(haiku,,lead,2)', 'a change and a null')
  FROM vibe.update_agent('mine', '{"default_model": "haiku", "description": null}');
SELECT is(row(default_model, level, runner, max_parallel)::text, '(haiku,specialist,default,)', 'level and runner go back to their defaults')
  FROM vibe.update_agent('mine', '{"level": null, "runner": null, "max_parallel": null}');
SELECT is(max_parallel || skill_path, '5/s', 'camelCase keys') FROM vibe.update_agent('mine', '{"maxParallel": 5, "skillPath": "/s"}');
SELECT is(default_model, 'haiku', 'no change at all') FROM vibe.update_agent('mine', '{}');
SELECT is((SELECT count(*)::int FROM vibe.agent_overrides), 0, 'it is all in its own row');

SELECT * FROM finish();
ROLLBACK;
