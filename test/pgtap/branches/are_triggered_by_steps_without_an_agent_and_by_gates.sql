BEGIN;
SELECT plan(6);

SELECT t.task(t.campaign(t.pipeline(4, jsonb_build_object('convergence_step', 4, 'parallel_branches',
           jsonb_build_array(t.branch('early', 0), t.branch('passed', 2), t.branch('approved', 3))),
           '{"1": {"agent": null}, "2": {"agent": null}, "3": {"gate": "human"}, "4": {"agent": null}}'))) AS task \gset
CREATE FUNCTION pg_temp.open() RETURNS text LANGUAGE sql
    AS $$ SELECT string_agg(branch || ' ' || coalesce(waiting_for, state), ', ' ORDER BY branch) FROM vibe.work WHERE branch <> '' $$;
SELECT is(t.work(:task) || ', ' || pg_temp.open(), '3 ready, early ready, passed ready', 'several in a row pass and open theirs');
SELECT t.done(:task) \g /dev/null
SELECT is(t.work(:task) || ', ' || pg_temp.open(), '3 waiting approval, early ready, passed ready', 'the gate holds its own');
SELECT count(*) FROM vibe.approve_step(:task) \g /dev/null
SELECT is(t.work(:task) || ', ' || pg_temp.open(), '4 waiting branches, approved ready, early ready, passed ready', 'until it is approved; a last step without an agent waits, too');
SELECT t.done(:task, 'early'), t.done(:task, 'passed') \g /dev/null
SELECT is(t.status(:task), 'backlog');
SELECT t.done(:task, 'approved') \g /dev/null
SELECT is(t.status(:task), 'completed', 'and passes with the last branch');
SELECT is_empty('SELECT * FROM vibe.work');

SELECT * FROM finish();
ROLLBACK;
