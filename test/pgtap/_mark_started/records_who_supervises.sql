BEGIN;
SELECT plan(4);

SELECT t.campaign(t.pipeline(1), 2) AS c \gset
SELECT min(r) AS one, max(r) AS two FROM t.claim(2) r \gset
SELECT t.finish(:two, 'lost') \g /dev/null
SELECT is(vibe._mark_started(ARRAY[:one, :two], '{11,22}', '{111,222}', 'boot', 'ns'), 1::bigint, 'not one that has ended');
SELECT is((SELECT row(pid, pid_start, boot_id, pid_ns)::text FROM vibe.runs WHERE id = :one), '(11,111,boot,ns)');
SELECT results_eq('SELECT run_id, closed, pid, pid_start, boot_id, pid_ns, runner FROM vibe._live_runs(false)', format($$VALUES (%s::bigint, false, 11, 111::bigint, 'boot', 'ns', 'default')$$, :'one'), 'the dispatcher finds it again');
SELECT is((SELECT string_agg(state, ' ') FROM vibe.now), 'running', 'and a person sees it');

SELECT * FROM finish();
ROLLBACK;
