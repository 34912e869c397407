BEGIN;
SELECT plan(6);

SELECT is(e.scheduled::text || ' ' || e.job_name, 'false vibe_sweep_' || current_database()) FROM vibe.enable_cron() e;
SELECT matches(e.statement, '^SELECT cron\.schedule_in_database\(''vibe_sweep_.*'', ''\*/5 \* \* \* \*'', .*vibe\.sweep\(\).*, ''' || current_database() || '''\);$') FROM vibe.enable_cron('*/5 * * * *') e;
SELECT throws_ok('SELECT * FROM vibe.enable_cron('' '')', 'VB030', NULL, 'no schedule');
SELECT throws_ok('SELECT * FROM vibe.enable_cron(NULL)', 'VB030', NULL, 'NULL');
SELECT is(d.unscheduled::text || ' ' || d.statement, format('false SELECT cron.unschedule(%L);', 'vibe_sweep_' || current_database())) FROM vibe.disable_cron() d;
SELECT lives_ok(vibe._cron_command(), 'the job''s command runs');

SELECT * FROM finish();
ROLLBACK;
