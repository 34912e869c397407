BEGIN;
SELECT plan(7);

SELECT id AS p FROM vibe.create_pipeline('own', 'Own', t.definition(2)) \gset
SELECT count(*) FROM vibe.update_pipeline(:p, category => 'mine') \g /dev/null
SELECT count(*) FROM vibe.fork_pipeline(1, 'forked') \g /dev/null
SELECT is(string_agg(slug, ' '), 'own', 'custom ones') FROM vibe.list_pipelines(kind => 'custom');
SELECT is(string_agg(slug, ' '), 'forked', 'forks') FROM vibe.list_pipelines(kind => 'fork');
SELECT is(string_agg(slug, ' '), 'own', 'of a category') FROM vibe.list_pipelines(category => 'mine');
SELECT is(string_agg(slug, ' '), 'research-only forked', 'a fork stays in the category') FROM vibe.list_pipelines(category => 'research');
SELECT is(count(*)::int, 7, 'all') FROM vibe.list_pipelines();
SELECT is_empty($$SELECT * FROM vibe.list_pipelines('custom', 'research')$$, 'both have to fit');
SELECT throws_ok($$SELECT * FROM vibe.list_pipelines('unknown')$$, 'VB030', NULL, 'an unknown kind');

SELECT * FROM finish();
ROLLBACK;
