BEGIN;
SELECT plan(2);

SELECT t.campaign(t.pipeline(2, jsonb_build_object('parallel_branches', jsonb_build_array(t.branch('a', 0)))), 7) AS c \gset
DELETE FROM vibe.work WHERE branch = 'a';
SELECT bag_eq(format('SELECT b.task_id, b.branch FROM (VALUES (0, t.task(%1$s, 3)), (t.task(%1$s, 3), 9223372036854775807)) n(after, last_id), vibe._missing_branches(after, last_id) b', :c), 'SELECT task_id, branch FROM vibe.find_missing_branches()', 'each is in one part');
SELECT is((SELECT count(*) FROM vibe.find_missing_branches()), 7::bigint);

SELECT * FROM finish();
ROLLBACK;
