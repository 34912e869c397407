BEGIN;
SELECT plan(4);

SELECT id AS p FROM vibe.create_pipeline('own', 'Own', t.definition(2)) \gset
SELECT throws_ok('SELECT * FROM vibe.delete_pipeline(1)', 'VB033', NULL, 'a preset');
SELECT t.campaign('own') AS c \gset
SELECT throws_ok(format('SELECT * FROM vibe.delete_pipeline(%s)', :p), 'VB033', NULL, 'a campaign that has not ended');
SELECT count(*) FROM vibe.update_pipeline(:p, t.definition(1)) \g /dev/null
SELECT throws_ok(format('SELECT * FROM vibe.delete_pipeline(%s)', :p), 'VB033', NULL, 'also of an earlier version');
SELECT vibe.cancel_campaign(:c) \g /dev/null
SELECT id AS open FROM t.task(:c) id \gset
UPDATE vibe.campaigns SET ended_at = now() WHERE id = :c AND ended_at IS NULL;
ALTER TABLE vibe.tasks DISABLE TRIGGER status_changes_are_legal;
UPDATE vibe.tasks SET ended_at = NULL, status = 'backlog', campaign_id = NULL WHERE id = :open;
SELECT throws_ok(format('SELECT * FROM vibe.delete_pipeline(%s)', :p), 'VB033', NULL, 'an open task of no campaign');

SELECT * FROM finish();
ROLLBACK;
