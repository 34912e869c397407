BEGIN;
SELECT plan(6);

SELECT t.campaign(t.pipeline(2)) AS c \gset
SELECT t.claim() AS run \gset
SELECT is(cancelled, true) FROM vibe.cancel_run(:run, 'runs wild');
SELECT is(row(r.outcome, r.error, r.ended_at)::text, '(cancelled,"runs wild",)', 'closed; its process is still to be ended') FROM vibe.runs r WHERE id = :run;
SELECT is(t.work(t.task(:c)) || ' ' || t.status(t.task(:c)), '1 waiting person blocked');
SELECT is((SELECT attempts::int FROM vibe.work), 0, 'no attempt is used');
SELECT is(cancelled, false, 'a second call finds it ended') FROM vibe.cancel_run(:run);
SELECT throws_ok('SELECT * FROM vibe.cancel_run(-1)', 'VB006', NULL, 'no such run');

SELECT * FROM finish();
ROLLBACK;
