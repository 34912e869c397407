-- Twelve hundred random calls, many of them at the wrong moment, on pipelines with branches, gates and steps
-- without agents. After each call the tables must agree with each other, and no call may fail with an error that
-- is not of class VB. In the end everything that still waits is helped along until every task has ended.
BEGIN;
SELECT plan(3);

SELECT setseed(0.42) \g /dev/null
SELECT t.setting('retry_base', '1s') \g /dev/null
SELECT t.now('2030-01-01 12:00+00') \g /dev/null

-- A task that is deleted stays in the sums of its agents.
CREATE TABLE t.deleted (agent_name text, task_id bigint, quality_score numeric);

CREATE VIEW t.broken AS
    SELECT 'an open task has no work' AS rule, x.id AS about FROM vibe.tasks x
     WHERE x.ended_at IS NULL AND NOT EXISTS (SELECT 1 FROM vibe.work w WHERE w.task_id = x.id)
    UNION ALL
    SELECT 'a task that has ended has work', w.task_id FROM vibe.work w JOIN vibe.tasks x ON x.id = w.task_id WHERE x.ended_at IS NOT NULL
    UNION ALL
    SELECT 'work is of no task', w.task_id FROM vibe.work w WHERE NOT EXISTS (SELECT 1 FROM vibe.tasks x WHERE x.id = w.task_id)
    UNION ALL
    SELECT 'a task is not of its campaign''s project and pipeline, or in an unknown status', x.id FROM vibe.tasks x LEFT JOIN vibe.campaigns c ON c.id = x.campaign_id
     WHERE (x.campaign_id IS NOT NULL AND (x.project_id, x.pipeline_version_id) IS DISTINCT FROM (c.project_id, c.pipeline_version_id))
        OR NOT EXISTS (SELECT 1 FROM vibe.task_statuses s WHERE s.status = x.status)
    UNION ALL
    SELECT 'two tasks of a campaign have one number', min(x.id) FROM vibe.tasks x GROUP BY x.campaign_id, x.number HAVING count(*) > 1
    UNION ALL
    SELECT 'a task is final and open, or ended and not final', x.id FROM vibe.tasks x JOIN vibe.task_statuses s USING (status) WHERE s.is_final <> (x.ended_at IS NOT NULL)
    UNION ALL
    SELECT 'work is held by a run that is closed, or of something else', w.task_id FROM vibe.work w JOIN vibe.runs r ON r.id = w.run_id
     WHERE r.closed_at IS NOT NULL OR (r.task_id, r.branch, r.step, r.agent_name) IS DISTINCT FROM (w.task_id, w.branch, w.step, w.agent_name)
    UNION ALL
    SELECT 'an open run holds no work', r.id FROM vibe.runs r WHERE r.closed_at IS NULL AND NOT EXISTS (SELECT 1 FROM vibe.work w WHERE w.run_id = r.id)
    UNION ALL
    SELECT 'the task is at another step than its main line', x.id FROM vibe.tasks x JOIN vibe.work w ON w.task_id = x.id AND w.branch = '' WHERE x.step IS DISTINCT FROM w.step
    UNION ALL
    SELECT 'an open task''s main line is not done but has no work', o.task_id FROM vibe.find_orphaned_tasks() o
    UNION ALL
    SELECT 'a blocked task does not wait for a person', x.id FROM vibe.tasks x JOIN vibe.work w ON w.task_id = x.id AND w.branch = ''
     WHERE (x.status = 'blocked') <> (w.waiting_for IS NOT DISTINCT FROM 'person')
    UNION ALL
    SELECT 'the main line waits for branches that are not there', w.task_id FROM vibe.work w WHERE w.waiting_for = 'branches'
       AND NOT EXISTS (SELECT 1 FROM vibe.work b WHERE b.task_id = w.task_id AND b.branch <> '')
    UNION ALL
    -- A branch that was opened again late does not hold what had begun by then.
    SELECT 'the main line is past its convergence before the branches', w.task_id FROM vibe.work w JOIN vibe.tasks x ON x.id = w.task_id JOIN vibe.pipeline_versions v ON v.id = x.pipeline_version_id
     WHERE w.branch = '' AND w.step >= v.convergence_step AND w.waiting_for IS DISTINCT FROM 'branches'
       AND EXISTS (SELECT 1 FROM vibe.work b JOIN vibe.pipeline_steps s ON s.pipeline_version_id = v.id AND s.branch = b.branch
                    WHERE b.task_id = w.task_id AND b.branch <> '' AND s.trigger_after_step < w.step)
       AND NOT EXISTS (SELECT 1 FROM vibe.activities a WHERE a.task_id = w.task_id AND (a.kind = 'branch_reopened' OR a.kind = 'revision_requested' AND a.detail ? 'branch'))
    UNION ALL
    SELECT 'a task is completed without a step, or a branch that was not cancelled', x.id FROM vibe.tasks x JOIN vibe.pipeline_steps s USING (pipeline_version_id)
     WHERE x.status = 'completed' AND s.agent_name IS NOT NULL AND s.branch <> ALL (x.cancelled_branches)
       AND NOT EXISTS (SELECT 1 FROM vibe.runs r WHERE r.task_id = x.id AND r.branch = s.branch AND r.step = s.step AND r.outcome = 'done' AND NOT r.superseded)
    UNION ALL
    SELECT 'a step counts twice', r.task_id FROM vibe.runs r WHERE r.outcome = 'done' AND NOT r.superseded GROUP BY r.task_id, r.branch, r.step HAVING count(*) > 1
    UNION ALL
    SELECT 'a branch is due, wanted and lost', b.task_id FROM vibe.find_missing_branches() b
    UNION ALL
    SELECT 'a cancelled branch has work or a result', x.id FROM vibe.tasks x, unnest(x.cancelled_branches) b
     WHERE EXISTS (SELECT 1 FROM vibe.work w WHERE w.task_id = x.id AND w.branch = b)
        OR EXISTS (SELECT 1 FROM vibe.runs r WHERE r.task_id = x.id AND r.branch = b AND NOT r.superseded)
    UNION ALL
    SELECT 'two runs of one branch live', r.task_id FROM vibe.runs r WHERE r.ended_at IS NULL GROUP BY r.task_id, r.branch HAVING count(*) > 1
    UNION ALL
    SELECT 'what was superseded is an input', x.id
      FROM (SELECT x.id FROM vibe.tasks x ORDER BY random() LIMIT 1) x, jsonb_array_elements(vibe._inputs(x.id, '', 1000)) i
     WHERE NOT EXISTS (SELECT 1 FROM vibe.runs r WHERE r.task_id = x.id AND r.branch = i ->> 'branch' AND r.step = (i ->> 'step')::int AND r.outcome = 'done' AND NOT r.superseded)
    UNION ALL
    SELECT 'the score is of no run that counts', x.id FROM vibe.tasks x
     WHERE x.quality_score IS NOT NULL AND x.ended_at IS NULL
       AND NOT EXISTS (SELECT 1 FROM vibe.runs r WHERE r.task_id = x.id AND r.branch = '' AND NOT r.superseded AND r.quality_score = x.quality_score)
    UNION ALL
    SELECT format('%s has done %s tasks with %s, not %s with', agent_name, a.tasks, a.average_score, d.average_score), d.tasks
      FROM (SELECT o.agent_name, count(*) AS tasks, avg(o.quality_score) AS average_score
              FROM (SELECT DISTINCT r.agent_name, r.task_id, x.quality_score FROM vibe.runs r JOIN vibe.tasks x ON x.id = r.task_id WHERE r.outcome = 'done' AND NOT r.superseded
                    UNION ALL SELECT * FROM t.deleted) o GROUP BY o.agent_name) d
      FULL JOIN vibe._agent_results() a USING (agent_name)
     WHERE (coalesce(a.tasks, 0), round(a.average_score, 9)) IS DISTINCT FROM (coalesce(d.tasks, 0), round(d.average_score, 9))
    UNION ALL
    SELECT 'a campaign is over with open tasks, or not over without', c.id FROM vibe.campaigns c
     WHERE c.activated_at IS NOT NULL AND c.reopened_at IS NULL AND (c.ended_at IS NULL) <> EXISTS (SELECT 1 FROM vibe.tasks x WHERE x.campaign_id = c.id AND x.ended_at IS NULL);

CREATE TABLE t.tokens (run_id bigint, task_id bigint, branch text, agent text, token text);

CREATE FUNCTION t.one_of(VARIADIC words text[]) RETURNS text LANGUAGE sql AS $$ SELECT words[1 + floor(random() * cardinality(words))::int] $$;

-- One random call; NULL, or the error when it is none of ours.
CREATE FUNCTION t.random_call(call text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    task bigint := (SELECT id FROM vibe.tasks ORDER BY random() LIMIT 1);
    campaign bigint := (SELECT id FROM vibe.campaigns ORDER BY random() LIMIT 1);
    run bigint := (SELECT id FROM vibe.runs WHERE ended_at IS NULL AND started_by = 'dispatcher' ORDER BY random() LIMIT 1);
    side text;
    item vibe.work;
    known t.tokens;
BEGIN
    SELECT s.branch INTO side FROM vibe.pipeline_steps s JOIN vibe.tasks x USING (pipeline_version_id)
     WHERE x.id = task AND s.branch <> '' ORDER BY random() LIMIT 1;
    SELECT * INTO item FROM vibe.work ORDER BY random() LIMIT 1;
    SELECT * INTO known FROM t.tokens ORDER BY run_id DESC OFFSET floor(random() ^ 3 * (SELECT count(*) FROM t.tokens))::int LIMIT 1;
    CASE call
        WHEN 'acquire' THEN INSERT INTO t.tokens SELECT l.run_id, item.task_id, item.branch, item.agent_name, l.lock_token
            FROM vibe.acquire_lock(item.task_id, item.agent_name, item.branch) l WHERE l.acquired;
        WHEN 'claim' THEN INSERT INTO t.tokens SELECT c.run_id, (c.run ->> 'task_id')::bigint, c.run ->> 'branch', c.run ->> 'agent', c.run ->> 'token'
            FROM vibe._claim_runs('{default}', ARRAY[1 + floor(random() * 3)::int], 3) c;
        WHEN 'finish' THEN PERFORM t.finish(run, t.one_of('done', 'done', 'done', 'revise', 'failed', 'lost', 'blocked', 'killed', 'nonsense'), jsonb_build_object('result', jsonb_build_object('score', floor(random() * 105))));
        WHEN 'complete' THEN PERFORM vibe.complete_step(known.task_id, known.agent, known.token, branch => known.branch);
        WHEN 'operate' THEN PERFORM vibe.complete_step(item.task_id, item.agent_name, branch => item.branch);
        WHEN 'fail' THEN PERFORM vibe.fail_step(known.run_id, known.token, t.one_of('failed', 'failed', 'rate_limited', 'blocked', 'lost', 'auth'));
        WHEN 'release' THEN PERFORM vibe.release_lock(known.task_id, known.agent, known.token, known.branch);
        WHEN 'renew' THEN PERFORM vibe.renew_lock(known.run_id, known.token);
        WHEN 'retry' THEN PERFORM vibe.retry_step(item.task_id, item.branch);
        WHEN 'approve' THEN PERFORM vibe.approve_step(item.task_id, branch => item.branch);
        WHEN 'revise' THEN PERFORM vibe.request_revision(task, 'again', CASE WHEN random() < 0.5 THEN floor(random() * 5)::int END);
        WHEN 'rerun' THEN PERFORM vibe.request_revision(task, 'all again', floor(random() * 5)::int, rerun_branches => true);
        WHEN 'revise_branch' THEN PERFORM vibe.request_revision(task, 'that again', CASE WHEN random() < 0.3 THEN floor(random() * 3)::int END, branch => side);
        WHEN 'review' THEN PERFORM vibe.request_revision(known.task_id, 'seen by an agent', CASE WHEN random() < 0.3 THEN floor(random() * 3)::int END, known.branch, known.agent, known.token);
        WHEN 'cancel_branch' THEN PERFORM vibe.cancel_branch(task, side);
        WHEN 'reopen_branch' THEN PERFORM vibe.retry_step(x.id, b, 'after all') FROM (SELECT x.id, b FROM vibe.tasks x, unnest(x.cancelled_branches) b ORDER BY random() LIMIT 1) x(id, b);
        WHEN 'retry_all' THEN PERFORM vibe.retry_steps(jsonb_build_object('campaign_id', campaign, 'waiting_for', t.one_of('person', 'back_off')));
        WHEN 'dispatch' THEN PERFORM vibe.dispatch_agent(item.task_id, item.branch);
        WHEN 'list' THEN PERFORM vibe.list_ready_tasks(max_rows => 5);
        WHEN 'cancel_run' THEN PERFORM vibe.cancel_run(known.run_id);
        WHEN 'cancel_task' THEN PERFORM vibe.cancel_task(task);
        WHEN 'pause' THEN PERFORM vibe.pause_campaign(campaign, random() < 0.5);
        WHEN 'resume' THEN PERFORM vibe.resume_campaign(campaign);
        WHEN 'generate' THEN PERFORM vibe.generate_tasks(campaign, 1);
        WHEN 'create' THEN PERFORM vibe.create_task(project_id, 'by hand', id, idempotency_key => 'key ' || floor(random() * 20)) FROM vibe.campaigns WHERE id = campaign;
        WHEN 'single' THEN PERFORM vibe.create_task(x.project_id, 'single', pipeline_slug => p.slug)
            FROM vibe.campaigns x JOIN vibe.pipeline_versions v ON v.id = x.pipeline_version_id JOIN vibe.pipelines p ON p.id = v.pipeline_id WHERE x.id = campaign;
        WHEN 'set_status' THEN PERFORM vibe.set_task_status(task, t.one_of('blocked', 'blocked', 'backlog', 'researched', 'drafted', 'revision_needed', 'cancelled'), 'by hand');
        WHEN 'priority' THEN PERFORM vibe.set_priority(task, t.one_of('low', 'medium', 'high', 'urgent'));
        WHEN 'delete' THEN
            INSERT INTO t.deleted SELECT DISTINCT r.agent_name, x.id, x.quality_score FROM vibe.runs r JOIN vibe.tasks x ON x.id = r.task_id
             WHERE x.id = task AND r.outcome = 'done' AND NOT r.superseded;
            PERFORM vibe.delete_task(task);
        WHEN 'cancel_tasks' THEN PERFORM vibe.cancel_tasks(jsonb_build_object('task_ids', jsonb_build_array(task)));
        WHEN 'extend' THEN PERFORM vibe.extend_campaign(campaign, 1);
        WHEN 'reopen' THEN PERFORM vibe.reopen_campaign(campaign);
        WHEN 'unclaim' THEN PERFORM vibe._unclaim_paused(ARRAY(SELECT id FROM vibe.runs WHERE ended_at IS NULL AND started_by = 'dispatcher'));
        WHEN 'promote' THEN PERFORM vibe._promote_due();
        WHEN 'sweep' THEN PERFORM vibe.sweep();
        -- Not the gate of a branch: what it waited for is known from its row alone.
        WHEN 'lose' THEN
            DELETE FROM vibe.work w WHERE (w.task_id, w.branch) = (item.task_id, item.branch) AND w.state <> 'held' AND NOT (w.branch <> '' AND w.waiting_for = 'approval');
            PERFORM vibe.sweep();
        WHEN 'wait' THEN PERFORM t.now((vibe.clock() + interval '3 minutes' * random() ^ 2)::text);
        WHEN 'take_over' THEN PERFORM vibe.take_over();
        WHEN 'status' THEN PERFORM vibe._merge_usage(20), vibe.get_task_pipeline_status(task), vibe.campaign_progress(campaign), vibe.campaign_manifest(campaign), vibe.list_tasks(), vibe.list_activities(max_rows => 10);
    END CASE;
    RETURN NULL;
EXCEPTION WHEN OTHERS THEN
    RETURN CASE WHEN SQLSTATE NOT LIKE 'VB%' THEN call || ': ' || SQLSTATE || ' ' || SQLERRM END;
END
$$;

CREATE FUNCTION t.walk(calls integer) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
    call text;
    said text;
BEGIN
    FOR n IN 1 .. calls LOOP
        call := t.one_of('acquire', 'acquire', 'claim', 'claim', 'claim', 'finish', 'finish', 'finish', 'complete', 'complete', 'complete', 'operate', 'operate', 'fail', 'release', 'renew',
            'retry', 'retry', 'approve', 'approve', 'approve', 'revise', 'cancel_run', 'set_status', 'priority', 'pause', 'resume', 'resume', 'unclaim', 'promote', 'promote', 'sweep', 'wait', 'wait', 'status',
            'review', 'revise_branch', 'cancel_branch', 'reopen_branch', 'dispatch', 'dispatch', 'retry_all', 'list', CASE WHEN n % 3 = 0 THEN 'rerun' ELSE 'wait' END,
            CASE WHEN n % 10 = 0 THEN t.one_of('cancel_task', 'generate', 'take_over', 'lose', 'lose', 'create', 'single', 'delete', 'cancel_tasks', 'extend', 'reopen') ELSE 'wait' END);
        said := coalesce(t.random_call(call), (SELECT string_agg(call || ': ' || rule || ' ' || about, '; ') FROM t.broken));
        IF said IS NOT NULL THEN
            RETURN NEXT format('call %s, %s', n, said);
            RETURN;
        END IF;
    END LOOP;
END
$$;

SELECT t.campaign(t.pipeline(4, jsonb_build_object('convergence_step', 3, 'parallel_branches', jsonb_build_array(t.branch('gated', 1, '{"gate": "human"}'), t.branch('last', 2), t.branch('first', 0))),
           '{"1": {"output_dir": "research", "max_attempts": 2}, "2": {"agent": null}, "3": {"gate": "human", "output_dir": "drafts"}}'), 4, max_revisions => 8),
       t.campaign(t.pipeline(3, jsonb_build_object('convergence_step', 2, 'parallel_branches', jsonb_build_array(t.branch('a', 1))), '{"2": {"agent": null, "gate": "human"}}'), 4, max_revisions => 8),
       t.campaign(t.pipeline(2, jsonb_build_object('parallel_branches', jsonb_build_array(t.branch('tail', 2), t.branch('side', 1)))), 4, max_revisions => 8) \g /dev/null
SELECT is_empty('SELECT * FROM t.walk(1200)', 'twelve hundred calls');

-- Nothing is stuck for good: help and patience end every task.
CREATE FUNCTION t.help() RETURNS SETOF text LANGUAGE plpgsql AS $$
BEGIN
    PERFORM vibe.resume_campaign(id) FROM vibe.campaigns WHERE status = 'paused';
    FOR n IN 1 .. 60 LOOP
        EXIT WHEN NOT EXISTS (SELECT 1 FROM vibe.work);
        PERFORM t.now((vibe.clock() + interval '1 hour')::text);
        PERFORM vibe.sweep();
        PERFORM t.finish(id, 'done') FROM vibe.runs WHERE ended_at IS NULL AND started_by = 'dispatcher';
        PERFORM vibe.retry_step(task_id, branch) FROM vibe.work WHERE waiting_for = 'person';
        PERFORM t.finish(r, 'done') FROM t.claim(50) r;
        PERFORM vibe.approve_step(task_id, branch => branch) FROM (SELECT task_id, branch FROM vibe.work WHERE waiting_for = 'approval') w;
        RETURN QUERY SELECT rule || ' ' || about FROM t.broken;
    END LOOP;
END
$$;
SELECT is_empty('SELECT * FROM t.help()', 'all agree, every time');
SELECT is_empty('SELECT task_id, branch, step, state, waiting_for FROM vibe.work', 'every task ends');

SELECT * FROM finish();
ROLLBACK;
