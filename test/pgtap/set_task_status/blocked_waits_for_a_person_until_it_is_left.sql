BEGIN;
SELECT plan(9);

SELECT t.task(t.campaign(t.pipeline(2, '{}', '{"1": {"output_dir": "research"}}'))) AS task \gset
SELECT t.done(:task) \g /dev/null
SELECT is(row(status, waiting_for)::text, '(blocked,person)') FROM vibe.set_task_status(:task, 'blocked', 'ask Ann');
SELECT is_empty('SELECT * FROM t.claim(10)', 'nothing starts');
SELECT matches((SELECT message FROM vibe.activities WHERE kind = 'task_blocked'), 'ask Ann', 'the feed says why');
UPDATE vibe.work SET attempts = 2 WHERE task_id = :task;
SELECT is(row(status, state)::text, '(researched,ready)', 'an open status makes it ready') FROM vibe.set_task_status(:task, 'researched', 'Ann says yes');
SELECT is(row(attempts, note)::text, '(0,"Ann says yes")', 'with fresh attempts and the note') FROM vibe.work WHERE task_id = :task;
SELECT count(*) FROM vibe.set_task_status(:task, 'blocked') \g /dev/null
SELECT is(task_status, 'researched', 'retry_step() leaves it too') FROM vibe.retry_step(:task);
SELECT t.claim() AS run \gset
SELECT is(t.work(:task), '2 held', 'and it goes on');
SELECT throws_ok(format($$SELECT * FROM vibe.set_task_status(%s, 'blocked')$$, :'task'), 'VB010', NULL, 'while a run is at it it is not blocked');
SELECT throws_ok(format($$SELECT * FROM vibe.set_task_status(%s, 'drafted')$$, :'task'), 'VB010', NULL, 'nor said to be elsewhere');

SELECT * FROM finish();
ROLLBACK;
