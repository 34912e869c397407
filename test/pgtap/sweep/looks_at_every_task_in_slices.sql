BEGIN;
SELECT plan(2);

SELECT t.campaign(t.pipeline(2, jsonb_build_object('parallel_branches', jsonb_build_array(t.branch('a', 0)))), 7) AS c \gset
DELETE FROM vibe.work WHERE branch = 'a';
SELECT bag_eq('SELECT b.task_id, b.branch FROM generate_series(0, 2) n, vibe._missing_branches(n, 3) b', 'SELECT task_id, branch FROM vibe.find_missing_branches()', 'each is in one slice');
SELECT is((SELECT count(*) FROM vibe.find_missing_branches()), 7::bigint);

SELECT * FROM finish();
ROLLBACK;
