BEGIN;
SELECT plan(4);

SELECT t.task(t.campaign(t.pipeline(1))) AS task \gset
SELECT vibe.fail_step(a.run_id, a.token, 'blocked', 'no idea') FROM t.acquire(:task) a \g /dev/null
SELECT is(t.health('blocked work'), 'warn: 1');
SELECT is(row(s.task_id, s.code)::text, format('(%s,blocked)', :'task'), 'the hint leads to it') FROM vibe.stuck s;
SELECT next_call FROM vibe.stuck \gset
SELECT lives_ok(:'next_call', 'and to the call');
SELECT is(t.health('blocked work'), 'ok: 0', 'that helps');

SELECT * FROM finish();
ROLLBACK;
