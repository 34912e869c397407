BEGIN;
SELECT plan(7);

SELECT t.now('2030-01-01 12:00+00') \g /dev/null
SELECT t.campaign(t.pipeline(2, steps => '{"1": {"gate": "human"}}'), 4) AS c, t.campaign(t.pipeline(1), 2) AS d \gset
SELECT t.task(:c, 1) AS gated, t.task(:c, 2) AS blocked, t.task(:c, 3) AS late, t.task(:c, 4) AS lost, t.task(:d, 1) AS locked \gset
SELECT t.done(:gated) \g /dev/null
SELECT vibe.fail_step(a.run_id, a.token, 'blocked', 'no idea') FROM t.acquire(:blocked) a \g /dev/null
SELECT vibe.fail_step(a.run_id, a.token, retry_after => '5 hours') FROM t.acquire(:late) a \g /dev/null
SELECT run_id FROM t.acquire(:locked) \g /dev/null
SELECT set_eq('SELECT task_id, code FROM vibe.stuck', format('VALUES (%s::bigint, ''approval''), (%s, ''blocked'')', :gated, :blocked), 'what needs a person, at once');
DELETE FROM vibe.work WHERE task_id = :lost;
SELECT t.now('2030-01-01 13:01+00') \g /dev/null
SELECT set_eq('SELECT task_id, code FROM vibe.stuck', format('VALUES (%s::bigint, ''approval''), (%s, ''blocked''), (%s, ''back_off''), (%s, ''orphaned''), (%s, ''locked''), (%s, ''no_dispatcher'')',
    :gated, :blocked, :late, :lost, :locked, t.task(:d, 2)), 'and what waits suspiciously long');
SELECT is((SELECT step FROM vibe.stuck WHERE task_id = :blocked), 'Step 1');
SELECT is((SELECT array_agg(since ORDER BY n) FROM (SELECT since, row_number() OVER () AS n FROM vibe.stuck) s), (SELECT array_agg(since ORDER BY since) FROM vibe.stuck), 'the longest wait first');
SELECT swept FROM vibe.sweep() \g /dev/null
SELECT set_eq('SELECT code FROM vibe.stuck', ARRAY['approval', 'blocked', 'back_off', 'no_dispatcher'], 'a sweep helps with some');
SELECT vibe.pause_campaign(:c) \g /dev/null
SELECT set_eq('SELECT task_id FROM vibe.stuck', ARRAY[t.task(:d, 2)], 'what somebody paused is not stuck');
UPDATE vibe.campaigns SET status = 'active', paused_from = NULL WHERE id = :c;
SELECT vibe.cancel_campaign(:c), vibe.cancel_campaign(:d) \g /dev/null
SELECT is_empty('SELECT * FROM vibe.stuck');

SELECT * FROM finish();
ROLLBACK;
