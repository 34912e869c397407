BEGIN;
SELECT plan(4);

SELECT is(a.level || '|' || a.default_model || '|' || a.runner, 'specialist|opus|default', 'a new agent has defaults')
  FROM vibe.register_agent(name => 'mine', default_model => 'opus') a;
SELECT is(a.level || '|' || a.default_model || '|' || a.description, 'lead|opus|leads', 'the model stays')
  FROM vibe.register_agent(name => 'mine', level => 'lead', description => 'leads') a;
SELECT is((SELECT count(*)::int FROM vibe.agents WHERE name = 'mine'), 1, 'one agent');
SELECT is((SELECT is_preset FROM vibe.agents WHERE name = 'mine'), false, 'and it is part of a dump');

SELECT * FROM finish();
ROLLBACK;
