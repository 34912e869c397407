BEGIN;
SELECT plan(7);

SELECT jsonb_build_object('convergence_step', 3, 'parallel_branches', jsonb_build_array(
    t.branch('Image', 1, '{"deliverable": "heroImage"}'), t.branch('Posts', 1, '{"deliverable": "socialX"}'), t.branch('Always', 1))) AS extra \gset
SELECT t.task(t.campaign(t.pipeline(3, :'extra'))) AS everything, t.task(t.campaign(t.pipeline(3, :'extra'), deliverables => '["heroImage"]')) AS listed,
       t.task(t.campaign(t.pipeline(3, :'extra'), deliverables => '{"heroImage": false, "socialX": true}')) AS switched,
       t.task(t.campaign(t.pipeline(3, :'extra'))) AS own \gset
UPDATE vibe.tasks SET deliverables = '[]' WHERE id = :own;
CREATE FUNCTION pg_temp.open(task bigint) RETURNS text LANGUAGE sql
    AS $$ SELECT string_agg(branch || ' ' || state, ', ' ORDER BY branch) FROM vibe.work WHERE task_id = task AND branch <> '' $$;
SELECT is(pg_temp.open(:everything), NULL, 'none before the trigger');
SELECT t.done(:everything), t.done(:listed), t.done(:switched), t.done(:own) \g /dev/null
SELECT is(pg_temp.open(:everything), 'Always ready, Image ready, Posts ready', 'no list wants all');
SELECT is(pg_temp.open(:listed), 'Always ready, Image ready', 'a list wants what it names');
SELECT is(pg_temp.open(:switched), 'Always ready, Posts ready', 'an object wants what is true');
SELECT is(pg_temp.open(:own), 'Always ready', 'the task''s own list goes before the campaign''s');
SELECT is((SELECT count(DISTINCT (agent_name, step, campaign_id))::int FROM vibe.work WHERE branch <> '' AND task_id = :everything), 1, 'all of agent-9, step 0');
SELECT is(t.work(:everything), '2 ready', 'the main line goes on');

SELECT * FROM finish();
ROLLBACK;
