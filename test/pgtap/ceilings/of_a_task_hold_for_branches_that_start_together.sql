BEGIN;
SELECT plan(2);

SELECT t.campaign(t.pipeline(2, jsonb_build_object('parallel_branches', jsonb_build_array(t.branch('Image', 1), t.branch('Post', 1))))) AS c \gset
SELECT t.done(t.task(:c)) \g /dev/null
SELECT vibe.set_budget(:c, 1, per => 'task'), vibe.set_budget(:c, 0.4, per => 'run') \g /dev/null
SELECT is((SELECT count(*)::int FROM t.claim(9)), 2, 'two of three');
SELECT is((SELECT count(*)::int FROM t.claim(9)), 0, 'and no third one');

SELECT * FROM finish();
ROLLBACK;
