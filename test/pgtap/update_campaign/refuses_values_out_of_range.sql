BEGIN;
SELECT plan(15);

SELECT t.campaign(t.pipeline(1)) AS c \gset
SELECT throws_ok(format('SELECT * FROM vibe.update_campaign(%s, %L)', :'c', changes), 'VB030', NULL, changes)
  FROM unnest(ARRAY['{"name": ""}', '{"name": null}', '{"max_revisions": -1}', '{"max_revisions": null}', '{"max_revisions": 1.5}', '{"max_parallel": 0}', '{"max_parallel": "4"}', '{"backlog_threshold": -1}',
      '{"budget_usd": 0}', '{"deliverables": 5}', '{"seed_keywords": "x"}', '{"seed_keywords": [" "]}', '{"competitor_urls": [1]}']) changes;
SELECT throws_ok(format($$SELECT * FROM vibe.update_campaign(%s, '{"backlog_agent": "nobody"}')$$, :'c'), 'VB004', NULL, 'an agent that is not there');
SELECT throws_ok($$SELECT * FROM vibe.update_campaign(-1, '{}')$$, 'VB002', NULL, 'no such campaign');

SELECT * FROM finish();
ROLLBACK;
