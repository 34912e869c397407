# The sweep as a pg_cron job: in pg_cron's own database it is scheduled there, from another one by the statement
# that enable_cron() returns; and the job outlives DROP EXTENSION without an error.

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

is($node->safe_psql('vo', 'SELECT scheduled, job_name FROM vibe.enable_cron()'),
	'f|vibe_sweep_vo', 'without the extension pg_cron nothing is scheduled');
$node->safe_psql('vo', 'CREATE EXTENSION pg_cron');

is($node->safe_psql('vo', "SELECT scheduled, job_name FROM vibe.enable_cron('*/5 * * * *')"),
	't|vibe_sweep_vo', 'with it the job is made');
is( $node->safe_psql('vo', 'SELECT jobname, schedule, database, active FROM cron.job'),
	'vibe_sweep_vo|*/5 * * * *|vo|t',
	'as asked');
$node->safe_psql('vo', 'SELECT vibe.enable_cron()');
is($node->safe_psql('vo', 'SELECT string_agg(schedule, $$,$$) FROM cron.job'),
	'*/10 * * * *', 'a second call changes the schedule');
my ($status, $out, $err) = $node->psql('vo', "SELECT vibe.enable_cron('every now and then')");
isnt($status, 0, 'a schedule that pg_cron cannot read is an error');

# Another database of the same server runs the returned statement in pg_cron's.
$node->safe_psql('postgres', 'CREATE EXTENSION vibe_orchestrator');
my ($scheduled, $statement) = split /\|/,
  $node->safe_psql('postgres', 'SELECT scheduled, statement FROM vibe.enable_cron()'), 2;
is($scheduled, 'f', 'elsewhere enable_cron() only says what to run');
$node->safe_psql('vo', $statement);
is($node->safe_psql('vo', "SELECT database FROM cron.job WHERE jobname = 'vibe_sweep_postgres'"),
	'postgres', 'and that works');
(my $unscheduled, $statement) = split /\|/,
  $node->safe_psql('postgres', 'SELECT unscheduled, statement FROM vibe.disable_cron()'), 2;
is($unscheduled, 'f', 'disable_cron() likewise');
$node->safe_psql('vo', $statement);

# pg_cron starts a job at the turn of a minute: the sweep runs without anybody's help.
$node->safe_psql('vo', "SELECT vibe.enable_cron('* * * * *')");
ok($node->poll_query_until('vo', 'SELECT swept_at IS NOT NULL FROM vibe.sweep_state'),
	'pg_cron runs the sweep');
my $command = $node->safe_psql('vo', 'SELECT command FROM cron.job');
is($node->safe_psql('vo', 'SELECT unscheduled FROM vibe.disable_cron()'),
	't', 'disable_cron() takes the job away');
is($node->safe_psql('vo', 'SELECT count(*) FROM cron.job'), '0', 'it is gone');
is($node->safe_psql('vo', 'SELECT unscheduled FROM vibe.disable_cron()'),
	'f', 'a second call finds none');

$node->safe_psql('vo', 'DROP EXTENSION vibe_orchestrator');
is($node->psql('vo', $command), 0, 'a job that is left behind does nothing after DROP EXTENSION');
$node->stop;
done_testing();
