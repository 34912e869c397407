BEGIN;
SELECT plan(4);

SELECT t.now('2030-01-01 12:00+00') \g /dev/null
SELECT t.campaign(t.pipeline(1), 5) AS campaign \gset
SELECT t.finish(r, 'failed') FROM t.claim(4) r \g /dev/null
SELECT is((SELECT count(*) FROM vibe.notifications WHERE kind = 'agent_crashed'), 0::bigint, 'a failure is no crash');
SELECT vibe.fail_step(a.run_id, a.token, 'killed', 'by signal 9') FROM t.acquire(t.task(:campaign, 5)) a \g /dev/null
SELECT is(n.detail ->> 'agent_name' || ' ' || (n.detail ->> 'outcome'), 'agent-1 killed', 'who, and how') FROM vibe.notifications n WHERE kind = 'agent_crashed';
SELECT t.now('2030-01-01 12:05+00') \g /dev/null
SELECT vibe.retry_step(t.task(:campaign, 5)) \g /dev/null
SELECT vibe.fail_step(a.run_id, a.token, 'killed', 'by signal 9') FROM t.acquire(t.task(:campaign, 5)) a \g /dev/null
SELECT is((SELECT count(*) FROM vibe.notifications WHERE kind = 'agent_crashed'), 1::bigint, 'not each time');
SELECT vibe.retry_step(t.task(:campaign, 5)) \g /dev/null
SELECT vibe.fail_step(a.run_id, a.token, 'exec_error', 'not there') FROM t.acquire(t.task(:campaign, 5)) a \g /dev/null
SELECT is((SELECT count(*) FROM vibe.notifications WHERE kind = 'agent_crashed'), 2::bigint, 'but what else goes wrong');

SELECT * FROM finish();
ROLLBACK;
