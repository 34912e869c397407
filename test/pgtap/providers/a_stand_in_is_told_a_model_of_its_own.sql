BEGIN;
SELECT plan(8);

CREATE FUNCTION t.told(fallback_models text[], OUT runner text, OUT told text, OUT noted text, OUT price text) LANGUAGE plpgsql AS $$
DECLARE
    told_id bigint;
BEGIN
    SELECT c.run_id, c.runner, c.run ->> 'model', c.run -> 'price' ->> 'input_tokens' INTO told_id, runner, told, price
      FROM vibe._claim_runs('{default,spare}', '{9,9}', 1, '{anthropic,openai}', '{spare,NULL}', fallback_models) c;
    noted := (SELECT r.model FROM vibe.runs r WHERE r.id = told_id);
END
$$;
SELECT t.campaign(t.pipeline(1, '{}', '{"1": {"model": "opus"}}'), 9) AS campaign \gset
SELECT is(t.told('{gpt,NULL}')::text, '(default,opus,opus,)', 'the step''s model, as long as its runner does it');
SELECT vibe.pause_provider('anthropic') \g /dev/null
SELECT is(t.told('{gpt,NULL}')::text, '(spare,gpt,gpt,)', 'its stand-in is told, and is noted with, the one that its runner names');
SELECT is(t.told('{NULL,own}')::text, '(spare,opus,opus,)', 'not with the one for a stand-in of its own');
SELECT is(t.told(NULL)::text, '(spare,opus,opus,)', 'and the step''s, where none is named');
UPDATE vibe.agents SET runner = 'spare' WHERE name = 'agent-1';
SELECT is(t.told('{gpt,NULL}')::text, '(spare,opus,opus,)', 'so it is for agents of its own');
UPDATE vibe.agents SET runner = 'default' WHERE name = 'agent-1';

SELECT vibe.set_price('gpt', 7, 9) \g /dev/null
SELECT vibe.set_budget(:campaign, 1, per => 'run') \g /dev/null
SELECT is(t.told('{gpt,NULL}')::text, '(spare,gpt,gpt,7)', 'what it may spend is counted by the price of that model');

SELECT vibe.update_agent('agent-1', '{"default_model": "haiku"}') \g /dev/null
SELECT vibe.request_heartbeat('agent-1') \g /dev/null
SELECT is(t.told('{gpt,NULL}')::text, '(spare,gpt,gpt,)', 'a heartbeat, too');
SELECT is((SELECT r.kind FROM vibe.runs r ORDER BY r.id DESC LIMIT 1), 'heartbeat', 'which this was');

SELECT * FROM finish();
ROLLBACK;
