BEGIN;
SELECT plan(3);

INSERT INTO vibe.task_statuses (status, is_final, description) VALUES ('sold', true, 'given to somebody else');
INSERT INTO vibe.task_transitions (from_status, to_status) VALUES ('backlog', 'sold');
SELECT t.campaign(t.pipeline(1)) AS c \gset
SELECT is(status, 'sold') FROM vibe.set_task_status(t.task(:c), 'sold');
SELECT ok(ended_at IS NOT NULL AND NOT EXISTS (SELECT 1 FROM vibe.work w WHERE w.task_id = x.id), 'the task has ended') FROM vibe.get_task(t.task(:c)) x;
SELECT is(t.campaign_status(:c), 'completed', 'and its campaign');

SELECT * FROM finish();
ROLLBACK;
