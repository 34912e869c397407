BEGIN;
SELECT plan(5);

SELECT throws_ok($$SELECT * FROM vibe.create_pipeline('bad', 'Bad', '{}')$$, 'VB031', 'invalid pipeline definition', 'empty');
SELECT throws_ok($$SELECT * FROM vibe.create_pipeline('bad', 'Bad', NULL)$$, 'VB031', NULL, 'NULL');
SELECT throws_ok($$SELECT * FROM vibe.create_pipeline('-bad', 'Bad', t.definition(1))$$, 'VB030', NULL, 'the slug');
SELECT throws_ok($$SELECT * FROM vibe.create_pipeline('bad', '', t.definition(1))$$, 'VB030', NULL, 'the name');
SELECT is((SELECT count(*)::int FROM vibe.pipelines WHERE NOT is_preset), 0, 'nothing was stored');

SELECT * FROM finish();
ROLLBACK;
