BEGIN;
SELECT plan(8);

SELECT t.now('2030-01-01 12:00+00') \g /dev/null
SELECT t.campaign(t.pipeline(2), 3) AS a \gset
SELECT t.now('2030-01-01 12:01+00') \g /dev/null
SELECT t.campaign(t.pipeline(2), 2) AS b, t.campaign(t.pipeline(2), 2) AS paused \gset
SELECT count(*) FROM vibe.pause_campaign(:paused) \g /dev/null
UPDATE vibe.work SET priority = 0 WHERE task_id = t.task(:b, 2);
CREATE FUNCTION pg_temp.listed(project bigint DEFAULT NULL, agent text DEFAULT NULL, n integer DEFAULT 100) RETURNS text LANGUAGE sql AS $$
    SELECT string_agg(l.campaign_id || '.' || t.number, ' ' ORDER BY l.ordinality)
      FROM vibe.list_ready_tasks(project, agent, n) WITH ORDINALITY l JOIN vibe.tasks t ON t.id = l.task_id $$;
SELECT is(pg_temp.listed(), format('%1$s.2 %2$s.1 %2$s.2 %1$s.1 %2$s.3', :b, :a), 'priority, then one campaign after the other, then the longest wait; nothing that is paused');
SELECT is(pg_temp.listed(n => 2), format('%1$s.2 %2$s.1', :b, :a), 'as many as asked for');
SELECT is(pg_temp.listed((SELECT project_id FROM vibe.campaigns WHERE id = :a)), format('%1$s.1 %1$s.2 %1$s.3', :a), 'of one project');
SELECT t.done(t.task(:a, 2)) \g /dev/null
SELECT is(pg_temp.listed(agent => 'agent-2'), format('%s.2', :a), 'of one agent');
SELECT is(row(l.step, l.step_label, l.agent, l.priority)::text, '(2,"Step 2",agent-2,medium)') FROM vibe.list_ready_tasks(agent_name => 'agent-2') l;
SELECT t.claim(5) \g /dev/null
SELECT is(pg_temp.listed(), NULL, 'what runs is not ready');
SELECT throws_ok(format('SELECT * FROM vibe.list_ready_tasks(max_rows => %L)', n), 'VB030', NULL, 'max_rows') FROM unnest('{0, NULL}'::int[]) n;

SELECT * FROM finish();
ROLLBACK;
