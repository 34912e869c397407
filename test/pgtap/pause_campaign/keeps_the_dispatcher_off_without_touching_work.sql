BEGIN;
SELECT plan(5);

SELECT t.campaign(t.pipeline(2), 3) AS c \gset
SELECT md5(string_agg(w::text, ',' ORDER BY w::text)) AS work FROM vibe.work w \gset
SELECT is(p.status || p.runs_stopped, 'paused0') FROM vibe.pause_campaign(:c) p;
SELECT is_empty('SELECT t.claim(9)', 'nothing is claimed');
SELECT is((SELECT md5(string_agg(w::text, ',' ORDER BY w::text)) FROM vibe.work w), :'work', 'no work row was written');
SELECT is(p.status, 'paused', 'a second pause is none') FROM vibe.pause_campaign(:c) p;
SELECT is((SELECT count(*)::int FROM vibe.activities WHERE kind = 'campaign_paused'), 1, 'one line of history');

SELECT * FROM finish();
ROLLBACK;
