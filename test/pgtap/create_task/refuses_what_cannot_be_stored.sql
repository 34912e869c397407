BEGIN;
SELECT plan(17);

SELECT t.campaign(t.pipeline(1)) AS c \gset
SELECT project_id AS p FROM vibe.campaigns WHERE id = :c \gset
SELECT throws_ok(format('SELECT * FROM vibe.create_task(%s, campaign_id => %s, %s)', :'p', :'c', argument), 'VB030', NULL, left(argument, 60))
  FROM unnest(ARRAY['title => NULL', $$title => ' '$$, $$title => repeat('x', 2001)$$, $$title => 'x', priority => 'soon'$$, $$title => 'x', priority => NULL$$, $$title => 'x', keyword => ''$$,
      $$title => 'x', deliverables => '5'$$, $$title => 'x', idempotency_key => ''$$, $$title => 'x', idempotency_key => repeat('x', 201)$$]) argument;
SELECT throws_ok(format($$SELECT * FROM vibe.create_task(%s, 'x', %s, assignees => '{nobody}')$$, :'p', :'c'), 'VB004', NULL, 'an agent that is not there');
SELECT throws_ok(format($$SELECT * FROM vibe.create_task(%s, 'x', -1)$$, :'p'), 'VB002', NULL, 'a campaign that is not there');
SELECT throws_ok($$SELECT * FROM vibe.create_task(-1, 'x', pipeline_slug => 'content-draft')$$, 'VB001', NULL, 'a project that is not there');
SELECT throws_ok($$SELECT * FROM vibe.create_task(NULL, 'x', pipeline_slug => 'content-draft')$$, 'VB001', NULL, 'no project');
UPDATE vibe.tasks SET number = 1000000, slug = 'task-1000000' WHERE campaign_id = :c;
SELECT throws_ok(format($$SELECT * FROM vibe.create_task(%s, 'x', %s)$$, :'p', :'c'), 'VB034', NULL, 'one more than a campaign holds');
SELECT count(*) FROM vibe.cancel_campaign(:c) \g /dev/null
SELECT throws_ok(format($$SELECT * FROM vibe.create_task(%s, 'x', %s)$$, :'p', :'c'), 'VB021', NULL, 'a campaign that has ended');
SELECT is((SELECT count(*)::int FROM vibe.tasks WHERE campaign_id = :c), 1, 'nothing was created');
SELECT is(title, '"; touch /tmp/x; # $(id) `id`', 'hostile text is text') FROM vibe.create_task(:p, '"; touch /tmp/x; # $(id) `id`', pipeline_slug => 'content-draft');

SELECT * FROM finish();
ROLLBACK;
