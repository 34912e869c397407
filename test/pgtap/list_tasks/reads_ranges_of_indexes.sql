-- A page costs what it shows: with 2000 tasks and runs before and behind those of a campaign, a page of 5 reads few rows.
BEGIN;
SELECT plan(21);

-- Rows and index entries that a query reads of the tables that lists are made of.
CREATE FUNCTION t.reads() RETURNS bigint LANGUAGE sql AS $$
    SELECT sum(pg_stat_get_xact_tuples_returned(c.oid)) + sum(pg_stat_get_xact_tuples_fetched(c.oid)) FROM pg_class c
     WHERE c.oid IN ('vibe.tasks'::regclass, 'vibe.runs'::regclass, 'vibe.activities'::regclass)
        OR c.oid IN (SELECT i.indexrelid FROM pg_index i WHERE i.indrelid IN ('vibe.tasks'::regclass, 'vibe.runs'::regclass, 'vibe.activities'::regclass))
$$;
CREATE FUNCTION t.cost_of(query text, OUT n_rows bigint, OUT n_reads bigint) LANGUAGE plpgsql AS $$
DECLARE before bigint := t.reads();
BEGIN
    EXECUTE format('SELECT count(*) FROM (%s) q', query) INTO n_rows;
    n_reads := t.reads() - before;
END
$$;
CREATE FUNCTION t.page_costs_little(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE cost record;
BEGIN
    SELECT * INTO cost FROM t.cost_of(query);
    RETURN ok(cost.n_rows > 0 AND cost.n_reads < 700, format('%s: %s rows, %s reads', query, cost.n_rows, cost.n_reads));
END
$$;
SELECT t.pipeline(1) AS pipeline \gset
SELECT t.campaign(:'pipeline', 2000) AS before, t.campaign(:'pipeline', 20) AS c, t.campaign(:'pipeline', 2000) AS behind \gset
SELECT count(*) FROM vibe.create_task((SELECT project_id FROM vibe.campaigns WHERE id = :c), 'single', pipeline_slug => :'pipeline') \g /dev/null
SELECT t.done(id) FROM vibe.tasks WHERE campaign_id IN (:before, :c, :behind) AND number <= 1000 ORDER BY id \g /dev/null
ANALYZE vibe.tasks, vibe.runs, vibe.activities, vibe.campaigns;
SET LOCAL plan_cache_mode = force_generic_plan;
-- Tables as small as these are joined as a whole; larger ones are not.
SET LOCAL enable_seqscan = off;
SET LOCAL enable_hashjoin = off;
SET LOCAL enable_mergejoin = off;
SELECT project_id AS p FROM vibe.campaigns WHERE id = :c \gset
SELECT cmp_ok(n_reads, '>', 3000::bigint, 'what reads much is seen') FROM t.cost_of('SELECT 1 FROM vibe.tasks WHERE description IS NULL');
SELECT t.page_costs_little(format('SELECT * FROM vibe.list_tasks(%s, max_rows => 5%s)', scope, more))
  FROM unnest(ARRAY[format('campaign_id => %s', :c), format('%s', :p), format('%s, %s', :p, :c), format('campaign_id => %s', :before)]) scope, unnest(ARRAY['', $$, status => 'completed'$$]) more;
SELECT t.page_costs_little($$SELECT * FROM vibe.list_tasks(status => 'backlog', max_rows => 5)$$);
-- What is looked through without being returned shows in the blocks alone.
CREATE FUNCTION t.blocks_of(index regclass, query text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE before bigint := pg_stat_get_xact_blocks_fetched(index);
BEGIN
    EXECUTE query;
    RETURN pg_stat_get_xact_blocks_fetched(index) - before;
END
$$;
SELECT cmp_ok(t.blocks_of('vibe.tasks_campaign_status_idx', format($$SELECT vibe._task_page(NULL, %s, 'reviewed', 5, NULL)$$, :behind)), '<', 6::bigint,
    'an empty status of a campaign is not looked for in the others');
SELECT cmp_ok(t.blocks_of('vibe.tasks_project_status_idx', format($$SELECT vibe._task_page(project_id, NULL, 'reviewed', 5, NULL) FROM vibe.campaigns WHERE id = %s$$, :behind)), '<', 6::bigint,
    'nor that of a project');
SELECT t.page_costs_little(format('SELECT * FROM vibe.list_activities(%s%s)', scope, CASE WHEN scope !~ 'max_rows' THEN ', max_rows => 5' ELSE '' END))
  FROM unnest(ARRAY[format('campaign_id => %s', :c), format('%s', :p), format('task_id => %s', t.task(:c, 3)), format('agent_name => %L', 'agent-1'), format('campaign_id => %s, after_id => 1', :c),
      format('campaign_id => %s', :before), format('campaign_id => %s, after_id => 1', :behind), 'after_id => 1', format('max_rows => 5, before_id => %s', (SELECT max(claim_event) FROM vibe.runs))]) scope;

SELECT * FROM finish();
ROLLBACK;
