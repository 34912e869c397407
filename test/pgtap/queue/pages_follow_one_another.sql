BEGIN;
SELECT plan(7);

-- Step 1 opens two branches at the moment at which step 2 becomes ready: equal in all but the branch.
SELECT t.now('2030-01-01 12:00+00') \g /dev/null
SELECT t.campaign(t.pipeline(3, jsonb_build_object('parallel_branches', jsonb_build_array(t.branch('Image', 1), t.branch('Audio', 1)))), 5) AS campaign \gset
SELECT t.now('2030-01-01 12:01+00') \g /dev/null
SELECT t.done(t.task(:campaign, 2)) \g /dev/null
SELECT count(*) FROM vibe.set_priority(t.task(:campaign, 3), 'urgent') \g /dev/null
SELECT count(*) FROM vibe.set_priority(t.task(:campaign, 1), 'low') \g /dev/null
SELECT count(*) FROM t.acquire(t.task(:campaign, 4)) \g /dev/null
SELECT t.now('2030-01-01 12:02+00') \g /dev/null
SELECT count(*) FROM vibe.request_heartbeat('agent-1') \g /dev/null

CREATE TEMP TABLE whole AS
    SELECT row_number() OVER () AS n, q.*, coalesce(t.number || '/' || q.branch, q.agent) AS item
      FROM vibe.queue q LEFT JOIN vibe.tasks t ON t.id = q.task_id;
SELECT is(string_agg(item, ' ' ORDER BY n), 'agent-1 3/ 5/ 2/ 2/Audio 2/Image 1/', 'heartbeats, then rank, then the longest wait; nothing that is held') FROM whole;
SELECT is(string_agg(DISTINCT rank::text, ' '), '-2 0 2 3', 'ranks') FROM whole;
SELECT results_eq(
    format('SELECT task_id, branch FROM vibe.queue WHERE (rank, since, task_id, branch) > (%L, %L, %L, %L) LIMIT 3', w.rank, w.since, w.task_id, w.branch),
    format('SELECT task_id, branch FROM whole WHERE n > %s ORDER BY n LIMIT 3', w.n), 'the page after ' || w.item)
  FROM whole w WHERE w.n BETWEEN 2 AND 5;
SELECT is(count(*), 0::bigint, 'nothing after the last') FROM vibe.queue q, whole w
 WHERE w.n = 7 AND (q.rank, q.since, q.task_id, q.branch) > (w.rank, w.since, w.task_id, w.branch);

SELECT * FROM finish();
ROLLBACK;
