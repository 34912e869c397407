BEGIN;
SELECT plan(3);

SELECT count(*) FROM vibe.register_skill('s', 'S', 's') \g /dev/null
SELECT count(*) FROM vibe.set_agent_skills('agent-1', '{s}') \g /dev/null
SELECT throws_ok($$SELECT * FROM vibe.delete_skill('s')$$, 'VB033', NULL, 'an agent loads it');
SELECT count(*) FROM vibe.set_agent_skills('agent-1', '{}') \g /dev/null
SELECT is(slug, 's', 'none does') FROM vibe.delete_skill('s');
SELECT throws_ok($$SELECT * FROM vibe.delete_skill('s')$$, 'VB009', NULL, 'it is gone');

SELECT * FROM finish();
ROLLBACK;
