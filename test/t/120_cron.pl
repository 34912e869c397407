# The sweep and heartbeats as pg_cron's jobs: in pg_cron's own database they are scheduled there, from another one by
# the statements that enable_cron() returns; and they outlive DROP EXTENSION without an error.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../perl";
use PostgreSQL::Test::Utils;
use Test::More;
use VibeNode;

my $node = new_vibe_node(
	'cron',
	start => 0,
	conf  =>
	  "cron.database_name = 'vo'\ncron.use_background_workers = on\nvibe_orchestrator.databases = ''\n"
);
my ($libraries) = run_command([ 'pg_config', '--pkglibdir' ]);
plan skip_all => 'pg_cron is not installed' unless -e "$libraries/pg_cron.so";
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'pg_cron,vibe_orchestrator'");
$node->start;
$node->safe_psql('postgres', 'CREATE DATABASE vo');
$node->safe_psql('vo',       'CREATE EXTENSION vibe_orchestrator');

sub health
{
	my ($column) = @_;
	return $node->safe_psql('vo', "SELECT $column FROM vibe.health() WHERE check_name = 'pg_cron'");
}

# What enable_cron() or disable_cron() returned elsewhere, run in pg_cron's database.
sub run_there
{
	my ($function) = @_;
	$node->safe_psql('vo', $node->safe_psql('postgres', "SELECT string_agg(DISTINCT statement, E'\n') FROM vibe.$function()"));
	return;
}

my $mine = "SELECT string_agg(jobname || ' ' || schedule, ', ' ORDER BY jobname) FROM cron.job WHERE jobname ~ '_vo(_|\$)'";

is($node->safe_psql('vo', 'SELECT DISTINCT scheduled FROM vibe.enable_cron()'), 'f', 'without the extension pg_cron nothing is scheduled');
like(health('value'), qr/cannot be seen from here, its database is vo/, 'health says so');
$node->safe_psql('vo', 'CREATE EXTENSION pg_cron');
is(health("status || ': ' || value"), 'warn: the sweep is not scheduled', 'health warns');
is(health('next_step'), 'SELECT * FROM vibe.enable_cron();', 'and names the call');

is($node->safe_psql('vo', "SELECT DISTINCT scheduled FROM vibe.enable_cron('*/5 * * * *')"), 't', 'with it the jobs are made');
is($node->safe_psql('vo', $mine), 'vibe_heartbeat_vo_vibe-orchestrator */10 * * * *, vibe_history_vo 41 3 * * *, vibe_sweep_vo */5 * * * *',
	'the sweep as asked, a heartbeat for the agent that has a schedule, the deletion of their history');
is(health('status'), 'ok', 'health is content');
$node->safe_psql('vo', "SELECT vibe.register_agent('own', heartbeat_schedule => '* * * * *'), vibe.update_agent('vibe-orchestrator', '{\"heartbeat_schedule\": null}')");
like(health('value'), qr/^not scheduled as it should be: vibe_heartbeat_vo_own/, 'a schedule has changed');
$node->safe_psql('vo', 'SELECT vibe.enable_cron()');
is($node->safe_psql('vo', $mine), 'vibe_heartbeat_vo_own * * * * *, vibe_history_vo 41 3 * * *, vibe_sweep_vo */10 * * * *',
	'a second call changes schedules, and takes jobs of agents away that have none');
my ($status, $out, $err) = $node->psql('vo', "SELECT vibe.enable_cron('every now and then')");
isnt($status, 0, 'a schedule that pg_cron cannot read is an error');

# Another database of the same server runs the returned statements in pg_cron's.
$node->safe_psql('postgres', 'CREATE EXTENSION vibe_orchestrator');
is($node->safe_psql('postgres', 'SELECT DISTINCT scheduled FROM vibe.enable_cron()'), 'f', 'elsewhere enable_cron() only says what to run');
my $theirs = "SELECT string_agg(jobname || ' ' || database, ', ' ORDER BY jobname) FROM cron.job WHERE jobname ~ '_postgres(_|\$)'";
my $all    = 'vibe_heartbeat_postgres_vibe-orchestrator postgres, vibe_history_postgres vo, vibe_sweep_postgres postgres';
run_there('enable_cron');
is($node->safe_psql('vo', $theirs), $all, 'and that works');
$node->safe_psql('vo', 'SELECT vibe.enable_cron()');
is($node->safe_psql('vo', $theirs), $all, 'one database leaves the jobs of another alone');
$node->safe_psql('postgres', "SELECT vibe.update_agent('vibe-orchestrator', '{\"heartbeat_schedule\": null}')");
run_there('enable_cron');
is($node->safe_psql('vo', $theirs), 'vibe_history_postgres vo, vibe_sweep_postgres postgres', 'jobs are taken away there, too');
is($node->safe_psql('postgres', 'SELECT DISTINCT unscheduled FROM vibe.disable_cron()'), 'f', 'disable_cron() likewise');
run_there('disable_cron');
is($node->safe_psql('vo', $theirs), '', 'and that works');

# pg_cron starts jobs at the turn of a minute: nobody else is needed.
$node->safe_psql('vo', <<'EOS');
CREATE TABLE asked (name text);
CREATE OR REPLACE FUNCTION vibe.request_heartbeat(name text, note text DEFAULT NULL) RETURNS TABLE (requested boolean) LANGUAGE sql
	AS $$ INSERT INTO public.asked VALUES ($1) RETURNING true $$;
SELECT vibe.enable_cron('* * * * *');
EOS
ok($node->poll_query_until('vo', 'SELECT swept_at IS NOT NULL FROM vibe.sweep_state'), 'pg_cron runs the sweep');
ok($node->poll_query_until('vo', "SELECT string_agg(name, ',') = 'own' FROM asked"), 'and heartbeats');
ok($node->poll_query_until('vo', "SELECT value ~ '^last sweep succeeded at ' FROM vibe.health() WHERE check_name = 'pg_cron'"), 'health tells when');
$node->safe_psql('vo', "UPDATE cron.job_run_details SET status = 'failed', return_message = 'no password supplied'");
is(health("status || ': ' || value"), 'fail: the last sweep failed: no password supplied', 'or how it failed');

# Of what pg_cron noted only ours goes, and only what is old.
$node->safe_psql('vo', <<'EOS');
INSERT INTO cron.job_run_details (jobid, runid, database, username, command, status, start_time, end_time)
SELECT coalesce((SELECT min(jobid) FROM cron.job WHERE jobname = j.name), 999), 1000 + n, j.database, 'x', j.command, 'succeeded', now() - j.age, now() - j.age
  FROM (VALUES (1, 'vibe_sweep_vo', 'vo', vibe._cron_command(), interval '8 days'), (2, 'vibe_sweep_vo', 'vo', vibe._cron_command(), interval '6 days'),
	(3, 'gone', 'vo', vibe._cron_heartbeat_command('gone'), interval '8 days'), (4, 'other', 'vo', 'SELECT 1', interval '8 days'),
	(5, 'other', 'postgres', vibe._cron_command(), interval '8 days')) j(n, name, database, command, age);
EOS
$node->safe_psql('vo', $node->safe_psql('vo', "SELECT command FROM cron.job WHERE jobname = 'vibe_history_vo'"));
is($node->safe_psql('vo', "SELECT string_agg((runid - 1000)::text, ',' ORDER BY runid) FROM cron.job_run_details WHERE runid > 1000"), '2,4,5', 'its own history is pruned');

my $commands = $node->safe_psql('vo', "SELECT string_agg(command, '; ') FROM cron.job WHERE jobname ~ '_vo'");
is($node->safe_psql('vo', 'SELECT count(*) FROM vibe.disable_cron() WHERE unscheduled'), '3', 'disable_cron() takes all jobs away');
is($node->safe_psql('vo', 'SELECT count(*) FROM cron.job'), '0', 'they are gone');
is($node->safe_psql('vo', 'SELECT unscheduled FROM vibe.disable_cron()'), 'f', 'a second call finds none');

$node->safe_psql('vo', 'DROP EXTENSION vibe_orchestrator CASCADE');
is($node->psql('vo', $commands), 0, 'jobs that are left behind do nothing after DROP EXTENSION');
$node->stop;
done_testing();
