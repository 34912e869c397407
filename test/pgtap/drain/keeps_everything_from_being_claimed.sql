BEGIN;
SELECT plan(10);

SELECT t.campaign(t.pipeline(1), 4) AS campaign \gset
SELECT t.claim() AS run \gset
SELECT results_eq('SELECT run_id, task_id, started_by FROM vibe.drain()', format($$SELECT %s::bigint, task_id, 'dispatcher' FROM vibe.runs$$, :run), 'tells what still runs');
SELECT is((SELECT count(*)::int FROM t.claim(3)), 0, 'the dispatcher claims nothing');
SELECT is((SELECT count(*)::int FROM vibe.claim_runs('{agent-1}', 3)), 0, 'nor do workers elsewhere');
SELECT is((SELECT code FROM vibe.why(t.task(:campaign, 2))), 'draining', 'why() says so');
SELECT results_eq(format('SELECT vibe._unclaim_paused(ARRAY[%s::bigint])', :run), format('VALUES (%s::bigint)', :run), 'what was claimed and not started is put back');
SELECT is_empty('SELECT * FROM vibe.drain()', 'no row when all has ended');
SELECT is((SELECT count(*)::int FROM vibe.activities WHERE kind = 'drain_begun'), 1, 'a second call changes nothing');
SELECT vibe.drain(false) \g /dev/null
SELECT is((SELECT count(*)::int FROM t.claim(3)), 3, 'switched off, all goes on');
SELECT throws_ok('SELECT vibe.drain(NULL)', 'VB030', NULL, 'neither on nor off');
SET LOCAL ROLE vibe_viewer;
SELECT throws_ok('SELECT vibe.drain()', '42501', NULL, 'not for a viewer');

SELECT * FROM finish();
ROLLBACK;
