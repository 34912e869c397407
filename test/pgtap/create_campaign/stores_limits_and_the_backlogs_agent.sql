BEGIN;
SELECT plan(3);

SELECT (vibe.create_project('p', 'P')).id AS project \gset
SELECT is(row(max_parallel, backlog_threshold, backlog_agent)::text, '(4,10,agent-1)', 'as given')
  FROM vibe.create_campaign(:project, 'c', 'C', pipeline_slug => 'content-draft', max_parallel => 4, backlog_threshold => 10, backlog_agent => 'agent-1');
SELECT is(row(max_parallel, backlog_threshold, backlog_agent)::text, '(,,)', 'none by default') FROM vibe.create_campaign(:project, 'd', 'D', pipeline_slug => 'content-draft');
SELECT throws_ok(format($$SELECT * FROM vibe.create_campaign(%s, 'e', 'E', pipeline_slug => 'content-draft', backlog_agent => 'nobody')$$, :'project'), 'VB004', NULL, 'an agent that is not there');

SELECT * FROM finish();
ROLLBACK;
