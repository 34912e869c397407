BEGIN;
SELECT plan(5);

SELECT t.now('2030-01-01 12:00+00') \g /dev/null
SELECT t.campaign(t.pipeline(1), 3) AS c \gset
SELECT t.now('2030-01-01 13:00+00') \g /dev/null
SELECT is(t.health('waiting work'), 'ok: no agent lets work wait for an hour');
SELECT t.now('2030-01-01 13:01+00') \g /dev/null
SELECT matches(t.health('waiting work'), '^warn: 1 agents began nothing for an hour, such as agent-1; the first of it waits since ');
SELECT t.done(t.task(:c)) \g /dev/null
SELECT is(t.health('waiting work'), 'ok: no agent lets work wait for an hour', 'a long queue that moves is none');
SELECT t.now('2030-01-01 14:02+00') \g /dev/null
SELECT matches(t.health('waiting work'), '^warn: ');
SELECT vibe.pause_campaign(:c) \g /dev/null
SELECT matches(t.health('waiting work'), '^ok: ', 'nor is one that somebody paused');

SELECT * FROM finish();
ROLLBACK;
