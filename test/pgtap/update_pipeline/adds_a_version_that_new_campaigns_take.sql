BEGIN;
SELECT plan(4);

SELECT id AS p FROM vibe.create_pipeline('own', 'Own', t.definition(2)) \gset
SELECT t.campaign('own') AS before \gset
SELECT is(version || '|' || main_steps, '2|2', 'version 2') FROM vibe.update_pipeline(:p, t.definition(1));
SELECT t.campaign('own') AS after \gset
SELECT is(v.number, 1, 'a campaign keeps its version') FROM vibe.campaigns c JOIN vibe.pipeline_versions v ON v.id = c.pipeline_version_id WHERE c.id = :before;
SELECT is(v.number, 2, 'the next one takes the new one') FROM vibe.campaigns c JOIN vibe.pipeline_versions v ON v.id = c.pipeline_version_id WHERE c.id = :after;
SELECT is(t.done(t.task(:before)) || t.work(t.task(:before)), 'backlog2 ready', 'and a task goes on as before');

SELECT * FROM finish();
ROLLBACK;
