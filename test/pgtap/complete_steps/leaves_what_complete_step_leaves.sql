BEGIN;
SELECT plan(5);

-- Two equal worlds of every kind of step that can follow: a plain one, a gate, the end, a step without an agent, a
-- branch, a status of its own, a step that is done again. One is completed set-wise, the other one by one.
CREATE FUNCTION pg_temp.world(n bigint) RETURNS bigint[] LANGUAGE plpgsql AS $$
DECLARE
    made bigint[] := ARRAY[
        t.campaign(t.pipeline(3), 3),
        t.campaign(t.pipeline(2, '{}', '{"1": {"gate": "human"}}')),
        t.campaign(t.pipeline(1), 2),
        t.campaign(t.pipeline(3, '{}', '{"2": {"agent": null}}')),
        t.campaign(t.pipeline(3, '{}', '{"2": {"agent": null, "gate": "human"}}')),
        t.campaign(t.pipeline(3, jsonb_build_object('parallel_branches', jsonb_build_array(t.branch('hero', 1)), 'convergence_step', 3))),
        t.campaign(t.pipeline(3, '{}', '{"1": {"output_dir": "research"}}')),
        t.campaign(t.pipeline(3))];
BEGIN
    PERFORM t.done(t.task(made[8]));
    PERFORM vibe.request_revision(t.task(made[8]), 'again', 1);
    RETURN made;
END $$;
CREATE TEMP TABLE world AS SELECT n, pg_temp.world(n) AS campaigns FROM generate_series(1, 2) n;
CREATE TEMP TABLE held AS
    SELECT w.n, array_position(w.campaigns, k.campaign_id) AS kind, k.number, a.*, k.id AS task_id
      FROM world w JOIN vibe.tasks k ON k.campaign_id = ANY (w.campaigns) CROSS JOIN LATERAL t.acquire(k.id) a
     ORDER BY w.n, k.id;
CREATE FUNCTION pg_temp.state(n bigint) RETURNS TABLE (kind int, number int, line text) LANGUAGE sql AS $$
    SELECT array_position(w.campaigns, k.campaign_id), k.number,
           concat_ws(' ', k.status, k.step, k.quality_score, k.rejection_notes, k.ended_at IS NULL, c.status,
               (SELECT string_agg(format('%s/%s/%s/%s/%s/%s/%s/%s', x.branch, x.step, x.agent_name, x.state, x.waiting_for, x.attempts, x.priority, x.note), ' ' ORDER BY x.branch)
                  FROM vibe.work x WHERE x.task_id = k.id),
               (SELECT string_agg(format('%s/%s/%s/%s/%s/%s/%s', r.step, r.outcome, r.answer, r.summary, r.output_path, r.quality_score, r.ended_at IS NULL), ' ' ORDER BY r.id)
                  FROM vibe.runs r WHERE r.task_id = k.id))
      FROM world w JOIN vibe.tasks k ON k.campaign_id = ANY (w.campaigns) JOIN vibe.campaigns c ON c.id = k.campaign_id
     WHERE w.n = state.n
$$;

CREATE TEMP TABLE many AS
    SELECT h.kind, h.number, a.* FROM vibe.complete_steps((
        SELECT jsonb_agg(jsonb_build_object('task_id', h.task_id, 'agent_name', h.agent, 'lock_token', h.token, 'quality_score', 70 + h.number,
                   'output_path', 'a.md', 'summary', 'text ' || again) ORDER BY h.task_id DESC, again)
          FROM held h CROSS JOIN generate_series(1, CASE h.kind WHEN 1 THEN h.number ELSE 1 END) again WHERE h.n = 1)) a
      JOIN held h ON h.task_id = a.task_id;
CREATE TEMP TABLE single AS
    SELECT h.kind, h.number, s.* FROM held h
     CROSS JOIN LATERAL vibe.complete_step(h.task_id, h.agent, h.token, quality_score => 70 + h.number, output_path => 'a.md', summary => 'text 1') s
     WHERE h.n = 2;
SELECT set_eq('SELECT kind, number, completed, next_step, next_agent, task_status, task_completed, concat(error_code, error) AS refused FROM many',
    'SELECT kind, number, completed, next_step, next_agent, task_status, task_completed, '''' AS refused FROM single', 'the answers are the same');
SELECT is((SELECT count(*)::int FROM many), (SELECT count(*)::int + 3 FROM single), 'one for each result, also for the same one again');
SELECT set_eq('SELECT * FROM pg_temp.state(1)', 'SELECT * FROM pg_temp.state(2)', 'and so is what they leave');
SELECT is((SELECT count(*)::int FROM vibe.usage_entries), (SELECT 2 * count(*)::int + 2 FROM single), 'each is counted once');
SELECT isnt_empty($$SELECT 1 FROM many WHERE next_step = 2 AND NOT task_completed$$, 'some went on');

SELECT * FROM finish();
ROLLBACK;
