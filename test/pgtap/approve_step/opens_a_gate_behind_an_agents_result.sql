BEGIN;
SELECT plan(6);

SELECT t.task(t.campaign(t.pipeline(2, '{}', '{"1": {"gate": "human", "output_dir": "drafts"}}'))) AS task \gset
SELECT run_id, token FROM t.acquire(:task) \gset
SELECT is(row(s.*)::text, '(t,,,drafted,f)', 'done, but nothing is next') FROM vibe.complete_step(:task, 'agent-1', :'token') s;
SELECT is(t.work(:task), '1 waiting approval');
SELECT is_empty('SELECT t.claim(5)', 'nothing goes on by itself');
SELECT is(row(a.*)::text, '(2,agent-2,drafted,f)') FROM vibe.approve_step(:task, run_id => :run_id, note => 'good') a;
SELECT is(t.work(:task) || (SELECT note FROM vibe.work WHERE task_id = :task), '2 readygood', 'the note goes to the next step');
SELECT throws_ok(format('SELECT * FROM vibe.approve_step(%s)', :'task'), 'VB020', NULL, 'it cannot be approved twice');

SELECT * FROM finish();
ROLLBACK;
