BEGIN;
SELECT plan(6);

SELECT is(heartbeat_schedule, '*/10 * * * *', 'what it came with') FROM vibe.current_agents WHERE name = 'vibe-orchestrator';
SELECT is(heartbeat_schedule, NULL, 'no schedule any more') FROM vibe.update_agent('vibe-orchestrator', '{"heartbeat_schedule": null, "default_model": null}');
SELECT is(row(heartbeat_schedule, default_model)::text, '(,opus)', 'another field given again') FROM vibe.update_agent('vibe-orchestrator', '{"default_model": "opus"}');
SELECT is((SELECT cleared FROM vibe.agent_overrides), '{heartbeat_schedule}', 'it is remembered in a row of its own');
SELECT is(heartbeat_schedule, '0 * * * *', 'until it gets another') FROM vibe.register_agent('vibe-orchestrator', heartbeat_schedule => '0 * * * *');
SELECT is(level, 'orchestrator', 'a level it has always') FROM vibe.update_agent('vibe-orchestrator', '{"level": null}');

SELECT * FROM finish();
ROLLBACK;
