BEGIN;
SELECT plan(4);

SELECT t.task(t.campaign(t.pipeline(2, '{}', '{"1": {"gate": "human"}}'))) AS task \gset
SELECT t.done(:task) \g /dev/null
SELECT is(n.run_id || ' ' || n.task_id, (SELECT max(id) FROM vibe.runs) || ' ' || :task, 'a result to approve: which, and of what') FROM vibe.notifications n WHERE kind = 'approval_needed';
SELECT vibe.approve_step(:task) \g /dev/null
SELECT vibe.fail_step(a.run_id, a.token, 'blocked', 'no idea') FROM t.acquire(:task) a \g /dev/null
SELECT alike(message, '%no idea%', 'a step that is blocked') FROM vibe.notifications WHERE kind = 'task_blocked';
SELECT t.task(t.campaign(t.pipeline(2, '{}', '{"2": {"agent": null, "gate": "human"}}'))) AS gated \gset
SELECT t.done(:gated) \g /dev/null
SELECT is((SELECT count(*) FROM vibe.notifications WHERE kind = 'approval_needed' AND task_id = :gated), 1::bigint, 'a gate between two steps');
SELECT t.campaign(t.pipeline(1, '{}', '{"0": {"gate": "human"}}'), 3) AS campaign \gset
SELECT alike(message, '3 new tasks%', 'a gate before the first one, once for all tasks') FROM vibe.notifications WHERE kind = 'approval_needed' AND campaign_id = :campaign;

SELECT * FROM finish();
ROLLBACK;
