BEGIN;
SELECT plan(3);

CREATE TABLE t.told AS SELECT check_name, status FROM vibe.health();
GRANT USAGE ON SCHEMA t TO vibe_viewer;
GRANT SELECT ON t.told TO vibe_viewer;
SELECT t.task(t.campaign(t.pipeline(1))) AS task \gset
SELECT vibe.fail_step(a.run_id, a.token, 'blocked') FROM t.acquire(:task) a \g /dev/null
SET ROLE vibe_viewer;
SELECT array_agg(check_name ORDER BY 1) = (SELECT array_agg(check_name ORDER BY 1) FROM t.told) AS same, count(*) > 10 AS several FROM vibe.health() WHERE check_name !~ '^runner ' OR check_name IN (SELECT check_name FROM t.told) \gset
SELECT count(*) AS stuck FROM vibe.stuck \gset
RESET ROLE;
SELECT ok(:'same', 'they see the same');
SELECT ok(:'several');
SELECT is(:stuck, 1, 'and what is stuck');

SELECT * FROM finish();
ROLLBACK;
