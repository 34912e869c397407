BEGIN;
SELECT plan(5);

SELECT t.campaign(t.pipeline(2, '{}', '{"1": {"gate": "human"}}'), 2) AS c \gset
SELECT t.done(t.task(:c)) \g /dev/null
SELECT count(*) FROM vibe.pause_campaign(:c) \g /dev/null
SELECT is(status, 'active') FROM vibe.resume_campaign(:c);
SELECT is((SELECT count(*)::int FROM t.claim(9)), 1, 'the other task');
SELECT is(t.work(t.task(:c)), '1 waiting approval', 'the gate stays closed');
SELECT is(status, 'active', 'a second resume is none') FROM vibe.resume_campaign(:c);
SELECT is((SELECT string_agg(kind, ' ' ORDER BY id) FROM vibe.activities), 'campaign_activated campaign_paused campaign_resumed');

SELECT * FROM finish();
ROLLBACK;
