BEGIN;
SELECT plan(10);

SELECT vibe.register_agent('agent-1', heartbeat_schedule => '5 * * * *') \g /dev/null
SELECT set_eq('SELECT scheduled, job_name FROM vibe.enable_cron()', format('VALUES (false, ''vibe_sweep_%1$s''), (false, ''vibe_history_%1$s''),
    (false, ''vibe_heartbeat_%1$s_agent-1''), (false, ''vibe_heartbeat_%1$s_vibe-orchestrator''), (false, NULL)', current_database()), 'a statement for each job, and one for those that are too many');
SELECT matches(e.statement, '^SELECT cron\.schedule_in_database\(''vibe_sweep_.*'', ''\*/5 \* \* \* \*'', .*vibe\.sweep\(\).*, ''' || current_database() || '''\);$')
  FROM vibe.enable_cron('*/5 * * * *') e WHERE job_name ~ 'sweep';
SELECT matches(e.statement, '^SELECT cron\.schedule_in_database\(.*, ''5 \* \* \* \*'', .*request_heartbeat.*a\.name = ''''agent-1''''')
  FROM vibe.enable_cron() e WHERE job_name ~ 'agent-1';
SELECT matches(e.statement, '^SELECT cron\.schedule\(.*DELETE FROM cron\.job_run_details', 'runs in pg_cron''s database') FROM vibe.enable_cron() e WHERE job_name ~ 'history';
SELECT throws_ok('SELECT * FROM vibe.enable_cron('' '')', 'VB030', NULL, 'no schedule');
SELECT throws_ok('SELECT * FROM vibe.enable_cron(NULL)', 'VB030', NULL, 'NULL');
SELECT is(d.unscheduled::text || ' ' || d.job_name, 'false vibe_sweep_' || current_database()) FROM vibe.disable_cron() d;
SELECT matches(d.statement, '^SELECT cron\.unschedule\(j\.jobid\) FROM cron\.job j WHERE .*vibe_heartbeat_') FROM vibe.disable_cron() d;
SELECT lives_ok(vibe._cron_command(), 'the job''s command runs');
SELECT lives_ok(vibe._cron_heartbeat_command('nobody'), 'that of an agent who is gone, too');

SELECT * FROM finish();
ROLLBACK;
