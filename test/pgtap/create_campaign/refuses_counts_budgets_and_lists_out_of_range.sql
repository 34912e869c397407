BEGIN;
SELECT plan(24);

SELECT (vibe.create_project('p', 'P')).id AS project \gset
SELECT throws_ok(format('SELECT * FROM vibe.create_campaign(%s, %L, %L, pipeline_slug => %L, %s)', :'project', 'c', 'C', 'content-draft', argument), 'VB030', NULL, left(argument, 60))
  FROM unnest(ARRAY['target_article_count => 0', 'target_article_count => -1', 'target_article_count => 10000000', 'target_article_count => NULL',
      'max_revisions => -1', 'max_revisions => 1001', 'max_revisions => NULL', 'budget_usd => 0', 'budget_usd => -1', $$budget_usd => 'NaN'$$, $$budget_usd => 'Infinity'$$,
      $$deliverables => '5'$$, $$deliverables => 'null'$$, $$deliverables => '"x"'$$,
      $$seed_keywords => '{a,NULL}'$$, $$seed_keywords => '{" "}'$$, $$seed_keywords => ARRAY[repeat('x', 2001)]$$]) argument;
SELECT throws_ok(format('SELECT * FROM vibe.create_campaign(%s, %L, %L, pipeline_slug => %L)', :'project', slug, 'C', 'content-draft'), 'VB030', NULL, 'slug ' || slug)
  FROM unnest(ARRAY['', 'A', '../x']) slug;
SELECT throws_ok(format('SELECT * FROM vibe.create_campaign(%s, %L, %L, pipeline_slug => %L)', :'project', 'c', name, 'content-draft'), 'VB030', NULL, 'name')
  FROM unnest(ARRAY['', repeat('x', 1901)]) name;
SELECT lives_ok(format('SELECT * FROM vibe.create_campaign(%s, %L, %L, pipeline_slug => %L, %s)', :'project', 'c' || n, 'C', 'content-draft', argument), argument)
  FROM unnest(ARRAY['target_article_count => 1000000', $$budget_usd => 1e400, deliverables => '[]'$$]) WITH ORDINALITY u(argument, n);

SELECT * FROM finish();
ROLLBACK;
