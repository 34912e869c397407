-- What is written by the million has no trigger that fires for every row, as each foreign key would be, and an
-- activation reads no row for each that it writes.
BEGIN;
SELECT plan(3);

SELECT is_empty($$SELECT tgrelid::regclass, tgname FROM pg_trigger
    WHERE tgrelid IN ('vibe.tasks'::regclass, 'vibe.work'::regclass) AND tgtype & 5 = 5$$, 'no trigger fires for every inserted row');

CREATE FUNCTION t.reads() RETURNS bigint LANGUAGE sql AS $$
    SELECT sum(pg_stat_get_xact_tuples_returned(c.oid)) + sum(pg_stat_get_xact_tuples_fetched(c.oid)) + sum(pg_stat_get_xact_numscans(c.oid))
      FROM pg_class c
     WHERE c.oid IN ('vibe.tasks'::regclass, 'vibe.work'::regclass)
        OR c.oid IN (SELECT i.indexrelid FROM pg_index i WHERE i.indrelid IN ('vibe.tasks'::regclass, 'vibe.work'::regclass))
$$;
SELECT t.pipeline(1) AS pipeline \gset
SELECT (vibe.create_project('p', 'P')).id AS p \gset
SELECT id AS plain FROM vibe.create_campaign(:p, 'plain', 'Plain', pipeline_slug => :'pipeline', target_article_count => 3000) \gset
SELECT id AS topics FROM vibe.create_campaign(:p, 'topics', 'Topics', pipeline_slug => :'pipeline', target_article_count => 3000,
    seed_keywords => ARRAY(SELECT 'Topic ' || n FROM generate_series(1, 3000) n)) \gset
SELECT t.reads() AS before \gset
SELECT count(*) FROM vibe.activate_campaign(:plain) \g /dev/null
SELECT cmp_ok(t.reads() - :before, '<', 200::bigint, 'activation reads next to nothing');
SELECT t.reads() AS before \gset
SELECT count(*) FROM vibe.activate_campaign(:topics) \g /dev/null
SELECT cmp_ok(t.reads() - :before, '<', 200::bigint, 'however many topics there are');

SELECT * FROM finish();
ROLLBACK;
