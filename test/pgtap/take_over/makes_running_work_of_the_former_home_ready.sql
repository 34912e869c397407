BEGIN;
SELECT plan(7);

SELECT t.campaign(t.pipeline(1), 3) AS c \gset
SELECT t.task(:c, 3) AS third \gset
SELECT min(r) AS one, max(r) AS two FROM t.claim(2) r \gset
SELECT run_id AS hand FROM t.acquire(:third) \gset
SELECT count(*) FROM vibe.cancel_task((SELECT task_id FROM vibe.runs WHERE id = :two)) \g /dev/null
SELECT is(row(x.runs_lost)::text, '(0)', 'at home there is nothing to take over') FROM vibe.take_over() x;
UPDATE vibe.home SET identity = 'elsewhere';
SELECT is(vibe._attach_dispatcher(), 'foreign', 'a copy');
SELECT is(x.identity = vibe._home_identity() AND x.runs_lost = 2, true, 'two processes are elsewhere') FROM vibe.take_over() x;
SELECT is(vibe._attach_dispatcher(), 'home');
SELECT is((SELECT string_agg(outcome || (ended_at IS NOT NULL)::text, ' ' ORDER BY id) FROM vibe.runs WHERE id IN (:one, :two)), 'losttrue cancelledtrue', 'the one that was cancelled stays so');
SELECT is((SELECT state || attempts FROM vibe.work WHERE task_id = (SELECT task_id FROM vibe.runs WHERE id = :one)), 'ready0', 'no attempt is used');
SELECT is(t.outcome(:hand), NULL, 'locks held by hand have leases and stay');

SELECT * FROM finish();
ROLLBACK;
