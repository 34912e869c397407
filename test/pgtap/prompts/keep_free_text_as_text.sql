BEGIN;
SELECT plan(5);

SELECT (vibe.create_project('p', 'P', description => '{token}')).id AS project \gset
SELECT id AS c FROM vibe.create_campaign(:project, 'c', 'C {agent}', pipeline_slug => t.pipeline(1), target_article_count => 1,
    seed_keywords => ARRAY['{token} "; touch /tmp/x; # $(id) `id` {title} \1 & %s']) \gset
SELECT tasks_created FROM vibe.activate_campaign(:c) \g /dev/null
SELECT run FROM vibe._claim_runs('{default}', '{1}', 1) \gset
SELECT is(:'run'::jsonb ->> 'title', '{token} "; touch /tmp/x; # $(id) `id` {title} \1 & %s', 'the title is what it was');
SELECT ok(position(E': {token} "; touch /tmp/x; # $(id) `id` {title} \\1 & %s\n' IN :'run'::jsonb ->> 'prompt') > 0, 'in the prompt too: one pass only');
SELECT ok(position('Campaign: C {agent}.' IN :'run'::jsonb ->> 'prompt') > 0, 'a name that looks like a field stays a name');
SELECT is(position(:'run'::jsonb ->> 'token' IN :'run'::jsonb ->> 'prompt'), 0, 'no field yields the token');
SELECT is(:'run'::jsonb ->> 'slug', 'token-touch-tmp-x-id-id-title-1-s', 'its file name is harmless');

SELECT * FROM finish();
ROLLBACK;
