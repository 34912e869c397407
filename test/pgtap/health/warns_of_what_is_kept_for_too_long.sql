BEGIN;
SELECT plan(4);

SELECT t.now('2030-01-01 12:00+00') \g /dev/null
SELECT vibe._record('old', 'x', NULL, NULL, NULL), vibe.notify('task_blocked', 'x'), swept FROM vibe.sweep() \g /dev/null
SELECT is(t.health('retention'), 'ok: nothing is kept for too long');
SELECT t.now('2030-04-11 11:59+00') \g /dev/null
SELECT is(t.health('retention'), 'warn: kept for too long: health history of 2030-01-01', 'by a tenth and a day');
SELECT t.now('2030-04-11 12:01+00') \g /dev/null
SELECT is(t.health('retention'), 'warn: kept for too long: activities of 2030-01-01, notifications of 2030-01-01, health history of 2030-01-01');
SELECT is(t.follow_hint('retention'), 'ok: nothing is kept for too long', 'the hint helps');

SELECT * FROM finish();
ROLLBACK;
