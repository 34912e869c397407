-- A project, a campaign of one article for each keyword, and its activation: one commit.
-- variables: output (the project's folder), keywords (one a line)

CREATE EXTENSION vibe_orchestrator;
CREATE EXTENSION pg_cron;
SELECT * FROM vibe.enable_cron('*/10 * * * *') \g /dev/null

BEGIN;
SELECT * FROM vibe.create_project(slug => 'demo', name => 'Demo', root_path => :'output') \gset project_
SELECT * FROM vibe.create_campaign(
    project_id => :project_id,
    slug => 'first-articles',
    name => 'First articles',
    pipeline_slug => 'content-draft',
    target_article_count => cardinality(string_to_array(:'keywords', E'\n')),
    seed_keywords => string_to_array(:'keywords', E'\n')) \gset campaign_
SELECT * FROM vibe.activate_campaign(:campaign_id) \g /dev/null
COMMIT;

\echo :campaign_id
