BEGIN;
SELECT plan(4);

SELECT is(a.default_model, 'haiku', 'the change is seen') FROM vibe.register_agent(name => 'vibe-humanizer', default_model => 'haiku') a;
SELECT is((SELECT default_model FROM vibe.agents WHERE name = 'vibe-humanizer'), 'opus', 'the preset row is untouched');
SELECT is((SELECT default_model FROM vibe.agent_overrides WHERE agent_name = 'vibe-humanizer'), 'haiku', 'the change has its own row');
SELECT is(a.default_model || a.description, 'haikux', 'a second change adds to it') FROM vibe.register_agent(name => 'vibe-humanizer', description => 'x') a;

SELECT * FROM finish();
ROLLBACK;
