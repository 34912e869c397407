BEGIN;
SELECT plan(8);

SELECT count(*) FROM unnest('{a,b,c}'::text[]) s, vibe.register_skill(s, upper(s), 'skills/' || s) \g /dev/null
SELECT is(string_agg(slug, ''), 'cab', 'in order, each once') FROM vibe.set_agent_skills('vibe-humanizer', '{c,a,c,b}');
SELECT is(string_agg(slug, ''), 'b', 'no others') FROM vibe.set_agent_skills('vibe-humanizer', '{b}');
SELECT is(string_agg(slug || name || path, ''), 'bBskills/b', 'listed') FROM vibe.list_agent_skills('vibe-humanizer');
SELECT is(string_agg(slug || agents::text, ' '), 'a{} b{vibe-humanizer} c{}', 'who loads what') FROM vibe.list_skills();
SELECT throws_ok($$SELECT * FROM vibe.set_agent_skills('vibe-humanizer', '{a,x,NULL}')$$, 'VB009', NULL, 'an unknown skill');
SELECT throws_ok($$SELECT * FROM vibe.set_agent_skills('nobody', '{a}')$$, 'VB004', NULL, 'an unknown agent');
SELECT throws_ok($$SELECT * FROM vibe.set_agent_skills('vibe-humanizer', NULL)$$, 'VB030', NULL, 'NULL');
SELECT is(skills, '{b}', 'nothing was changed') FROM vibe.get_agent('vibe-humanizer');

SELECT * FROM finish();
ROLLBACK;
