BEGIN;
SELECT plan(2);

SELECT t.campaign(t.pipeline(1), 2) AS campaign \gset
SELECT vibe.pause_campaign(:campaign) \g /dev/null
SELECT is((SELECT count(*)::int FROM vibe.claim_runs('{agent-1}', 9)), 0, 'a paused campaign');
SELECT vibe.resume_campaign(:campaign) \g /dev/null
UPDATE vibe.agents SET paused_at = now() WHERE name = 'agent-1';
SELECT is((SELECT count(*)::int FROM vibe.claim_runs('{agent-1}', 9)), 0, 'a paused agent');

SELECT * FROM finish();
ROLLBACK;
