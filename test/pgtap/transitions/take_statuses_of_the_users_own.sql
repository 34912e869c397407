BEGIN;
SELECT plan(2);

INSERT INTO vibe.task_statuses (status, description) VALUES ('translated', 'is translated');
INSERT INTO vibe.output_statuses (output_dir, status) VALUES ('translations', 'translated');
INSERT INTO vibe.task_transitions (from_status, to_status) VALUES ('backlog', 'translated'), ('translated', 'completed');
SELECT t.task(t.campaign(t.pipeline(2, '{}', '{"1": {"output_dir": "translations"}}'))) AS task \gset
SELECT is(t.done(:task), 'translated');
SELECT is(t.done(:task), 'completed');

SELECT * FROM finish();
ROLLBACK;
