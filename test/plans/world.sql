-- What the calls are about: 10000 ready tasks in ten campaigns, and a campaign of agents of its own of which each task
-- stands elsewhere. plans.ids names them.
SET client_min_messages = warning;
SELECT bench.pipeline('line', 4, 2);
SELECT bench.fill(10, 1000, 2, false);
SELECT slug FROM vibe.create_pipeline('probe', 'Probe', '{"main_steps": [
    {"order": 1, "agent": "agent-3", "label": "Write", "output_dir": "drafts"}, {"order": 2, "agent": "agent-4", "label": "Review"}],
    "parallel_branches": [{"label": "Image", "agent": "agent-4", "trigger_after_step": 1, "deliverable": "heroImage"}]}');
SELECT count(*) FROM vibe.register_service_category('images', 'Images');
SELECT count(*) FROM vibe.register_service('images', 'images', 'IMAGES_KEY');
SELECT count(*) FROM vibe.set_agent_services('agent-3', '{images}');

CREATE TABLE plans.ids (name text PRIMARY KEY, id bigint NOT NULL);
CREATE FUNCTION plans.id(name text) RETURNS bigint LANGUAGE sql STABLE AS 'SELECT i.id FROM plans.ids i WHERE i.name = id.name';
INSERT INTO plans.ids
SELECT 'campaign', c.id FROM vibe.create_campaign(1, 'probe', 'Probe', pipeline_slug => 'probe', target_article_count => 60) c
UNION ALL
SELECT 'planned', c.id FROM vibe.create_campaign(1, 'planned', 'Planned', pipeline_slug => 'probe', target_article_count => 100) c;
SELECT count(*) FROM vibe.activate_campaign(plans.id('campaign'));
INSERT INTO plans.ids
SELECT n.name, t.id
  FROM unnest('{done,lost,back_off,ready}'::text[]) WITH ORDINALITY n(name, number)
  JOIN vibe.tasks t ON t.campaign_id = plans.id('campaign') AND t.number = n.number;

-- The first goes through its pipeline, the second and the third fail, one for good; ten more are held.
CREATE FUNCTION plans.work_through(task bigint) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    item record;
BEGIN
    FOR n IN 1 .. 3 LOOP
        FOR item IN SELECT w.branch, w.agent_name, l.lock_token FROM vibe.work w, vibe.acquire_lock(w.task_id, w.agent_name, w.branch) l WHERE w.task_id = task LOOP
            PERFORM vibe.complete_step(task, item.agent_name, item.lock_token, branch => item.branch);
        END LOOP;
    END LOOP;
    RETURN task;
END
$$;
SELECT plans.work_through(plans.id('done'));
SELECT count(*) FROM vibe.acquire_lock(plans.id('lost'), 'agent-3') l, vibe.fail_step(l.run_id, l.lock_token, 'blocked', 'no');
SELECT count(*) FROM vibe.acquire_lock(plans.id('back_off'), 'agent-3') l, vibe.fail_step(l.run_id, l.lock_token, 'failed', 'no', '1 day');
CREATE TABLE plans.held AS SELECT row_number() OVER () AS n, c.* FROM vibe.claim_runs('{agent-3}', 10) c;
UPDATE plans.ids i SET id = (SELECT min(w.task_id) FROM vibe.work w WHERE w.state = 'ready' AND w.agent_name = 'agent-3') WHERE i.name = 'ready';
INSERT INTO plans.ids SELECT 'held', h.task_id FROM plans.held h WHERE h.n = 1;
INSERT INTO plans.ids SELECT 'run', h.run_id FROM plans.held h WHERE h.n = 1;
SELECT count(*) FROM vibe.sweep();
