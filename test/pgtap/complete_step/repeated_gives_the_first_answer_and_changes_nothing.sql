BEGIN;
SELECT plan(4);

SELECT t.task(t.campaign(t.pipeline(3))) AS task \gset
SELECT run_id, token FROM t.acquire(:task) \gset
SELECT row(s.*)::text AS first FROM vibe.complete_step(:task, 'agent-1', :'token', quality_score => 10) s \gset
SELECT t.done(:task) \g /dev/null
SELECT t.everything() AS before \gset
SELECT is(row(s.*)::text, :'first', 'the first answer, though the task has gone on') FROM vibe.complete_step(:task, 'agent-1', :'token', output => '{"other": 1}', quality_score => 99) s;
SELECT is(row(s.*)::text, :'first', 'whatever the new arguments') FROM vibe.complete_step(:task, 'agent-1', :'token', quality_score => 1000, output_path => '/etc/passwd') s;
SELECT is(t.everything(), :'before', 'nothing changed');
SELECT throws_ok(format('SELECT * FROM vibe.complete_step(%s, %L, NULL)', :'task', 'agent-1'), 'VB013', NULL, 'without the token it is no repetition');

SELECT * FROM finish();
ROLLBACK;
