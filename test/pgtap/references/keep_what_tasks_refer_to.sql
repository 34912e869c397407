-- No foreign key holds these, so that a million tasks cost no look-up each; whoever deletes is refused all the same.
BEGIN;
SELECT plan(13);
SET LOCAL client_min_messages = warning;

SELECT t.pipeline(1) AS pipeline \gset
SELECT t.campaign(:'pipeline', 2) AS c \gset
SELECT throws_ok(format('DELETE FROM vibe.campaigns WHERE id = %s', :c), '23503', NULL, 'a campaign stays while it has tasks');
SELECT throws_ok(format('UPDATE vibe.campaigns SET id = -1 WHERE id = %s', :c), '23503', NULL, 'under its key');
SELECT throws_ok('TRUNCATE vibe.campaigns CASCADE', '23503', NULL, 'also when all go at once');

INSERT INTO vibe.task_statuses (status, description) VALUES ('asleep', 'a word of our own');
INSERT INTO vibe.task_transitions (from_status, to_status) VALUES ('backlog', 'asleep');
UPDATE vibe.tasks SET status = 'asleep' WHERE id = t.task(:c, 1);
DELETE FROM vibe.task_transitions WHERE to_status = 'asleep';
SELECT throws_ok($$DELETE FROM vibe.task_statuses WHERE status = 'asleep'$$, '23503', NULL, 'a status stays while a task is in it');
UPDATE vibe.task_statuses SET description = 'in other words' WHERE status = 'asleep';
SELECT is((SELECT description FROM vibe.task_statuses WHERE status = 'asleep'), 'in other words', 'and may be described anew');

-- Of a task without a campaign nothing but the task itself refers to its project and its pipeline.
SELECT (vibe.create_project('alone', 'Alone')).id AS alone \gset
SELECT id AS task FROM vibe.create_task(:alone, 'single', pipeline_slug => :'pipeline') \gset
UPDATE vibe.projects SET name = 'Lonely' WHERE id = :alone;
SELECT throws_ok(format('DELETE FROM vibe.projects WHERE id = %s', :alone), '23503', NULL, 'a project stays while it has tasks');
SELECT throws_ok(format('UPDATE vibe.projects SET id = -1 WHERE id = %s', :alone), '23503', NULL, 'under its key');
SELECT throws_ok('TRUNCATE vibe.pipelines CASCADE', '23503', NULL, 'and so do pipelines');
SELECT is((SELECT count(*)::int FROM vibe.work WHERE task_id = :task), 1, 'it has work');
DELETE FROM vibe.tasks WHERE id = :task;
SELECT is((SELECT count(*)::int FROM vibe.work WHERE task_id = :task), 0, 'which goes with it');
SELECT lives_ok(format('DELETE FROM vibe.projects WHERE id = %s', :alone), 'and lets its project go');
TRUNCATE vibe.tasks CASCADE;
SELECT is((SELECT count(*)::int FROM vibe.work), 0, 'work goes with all tasks');
SELECT lives_ok('TRUNCATE vibe.campaigns CASCADE', 'and lets all campaigns go');

SELECT * FROM finish();
ROLLBACK;
