BEGIN;
SELECT plan(4);

SELECT is(t.health('sweep'), 'warn: has not run yet');
SELECT t.now('2030-01-01 12:00+00') \g /dev/null
SELECT matches(t.follow_hint('sweep'), '^ok: last at 2030-01-01', 'the hint helps');
SELECT t.now('2030-01-01 12:29+00') \g /dev/null
SELECT matches(t.health('sweep'), '^ok: ');
SELECT t.now('2030-01-01 12:30+00') \g /dev/null
SELECT matches(t.health('sweep'), '^warn: ');

SELECT * FROM finish();
ROLLBACK;
