BEGIN;
SELECT plan(6);

SELECT t.campaign(t.pipeline(2, jsonb_build_object('parallel_branches', jsonb_build_array(t.branch('Hero Image', 0, '{"output_dir": "images"}'), t.branch('画像', 0, '{"output_dir": "images"}'))),
    '{"1": {"output_dir": "drafts"}}'), 3) AS c \gset
SELECT t.task(:c) AS task \gset
CREATE FUNCTION pg_temp.path(task bigint, branch text, outcome text DEFAULT 'done') RETURNS text LANGUAGE sql
    AS $$ SELECT regexp_replace(f.publish_path, '^.*/campaigns/[^/]*/', '') FROM vibe.work w, t.finish(w.run_id, outcome) f WHERE w.task_id = task AND w.branch = path.branch $$;
SELECT count(*) FROM t.claim(20) \g /dev/null
SELECT is(pg_temp.path(:task, ''), 'drafts/task-1.md');
SELECT is(pg_temp.path(:task, 'Hero Image'), 'images/task-1-hero-image.md', 'a branch has its label in the name');
SELECT is(pg_temp.path(:task, '画像'), 'images/task-1-' || md5('画像') || '.md', 'or a digest of it');
SELECT is(pg_temp.path(t.task(:c, 2), '', 'failed'), NULL, 'nothing of a failed run');
SELECT count(*) FROM vibe.cancel_task(t.task(:c, 3)) \g /dev/null
SELECT is((SELECT string_agg(f.publish_path, ',') FROM vibe.runs r, t.finish(r.id) f WHERE r.task_id = t.task(:c, 3)), NULL, 'nor of a cancelled one');
UPDATE vibe.projects SET root_path = NULL;
SELECT is((SELECT string_agg(f.publish_path, ',') FROM vibe.runs r, t.finish(r.id) f), NULL, 'nor without a root_path');

SELECT * FROM finish();
ROLLBACK;
