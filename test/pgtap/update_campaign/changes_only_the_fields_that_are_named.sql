BEGIN;
SELECT plan(5);

SELECT (vibe.create_project('p', 'P')).id AS p \gset
SELECT id AS c FROM vibe.create_campaign(:p, 'c', 'C', pipeline_slug => 'content-draft', notes => 'old', budget_usd => 5) \gset
SELECT is(row(name, description, target_article_count, seed_keywords, competitor_urls, focus_group_ids, deliverables, budget_usd, notes, max_revisions, max_parallel, backlog_threshold, backlog_agent)::text,
    '(D,about,7,{x},{u},{g},"{""heroImage"": true}",1.5,new,0,2,3,agent-1)', 'every one of them')
  FROM vibe.update_campaign(:c, '{"name": "D", "description": "about", "target_article_count": 7, "seed_keywords": ["x"], "competitor_urls": ["u"], "focus_group_ids": ["g"],
      "deliverables": {"heroImage": true}, "budget_usd": 1.5, "notes": "new", "max_revisions": 0, "max_parallel": 2, "backlog_threshold": 3, "backlog_agent": "agent-1"}');
SELECT is(row(name, budget_usd, max_parallel, backlog_agent, deliverables, seed_keywords)::text, '(D,,,,,{})', 'null clears')
  FROM vibe.update_campaign(:c, '{"budget_usd": null, "max_parallel": null, "backlog_agent": null, "deliverables": null, "seed_keywords": null}');
SELECT is(notes, 'new', 'the others stay') FROM vibe.update_campaign(:c, '{"name": "E"}');
SELECT is(tasks_created, 7::bigint, 'activation goes by the new target') FROM vibe.activate_campaign(:c);
SELECT throws_ok(format($$SELECT * FROM vibe.update_campaign(%s, '{"target_article_count": 8}')$$, :'c'), 'VB020', NULL, 'which then is fixed');

SELECT * FROM finish();
ROLLBACK;
