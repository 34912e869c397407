# The dispatcher follows what happens to its extension, its database and the list.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../perl";
use PostgreSQL::Test::Utils;
use Test::More;
use VibeNode;

my $node = new_vibe_node('lifecycle', conf => "vibe_orchestrator.poll_interval = 1h\n");
my $base = $node->basedir;

write_agent($node, 'demo', <<'EOA');
echo "$$ $VIBE_RUN_ID" >> "$BASE/starts"
while [ ! -e "$BASE/go" ]; do sleep 0.1; done
echo finished
EOA

ok(wait_for($node, "SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'vibe dispatcher'"),
	'a dispatcher serves a database without the extension');
$node->safe_psql('postgres', 'CREATE EXTENSION vibe_orchestrator');
is($node->safe_psql('postgres', "SELECT state FROM vibe.dispatcher_status()"), 'no_extension', 'and says so');

# dropped with runs alive: the poll interval is an hour, so the drop itself wakes
create_vibe($node);
create_work($node, 'dropped', 2);
ok(wait_until(sub { count_lines("$base/starts") == 2 }, 'two agents'), 'two agents run');
my @agents = map { (split)[0] } split /\n/, slurp_file("$base/starts");
my $pid = dispatcher_pid($node);
$node->safe_psql('vo', 'DROP EXTENSION vibe_orchestrator CASCADE; DROP SCHEMA IF EXISTS vibe CASCADE');
ok(wait_until_gone($_), 'an agent of the dropped extension is ended') foreach @agents;
ok(wait_until(sub { count_files(run_directory($node) . '/runs/*') == 0 }, 'empty runs/'), 'its files are put away');
is(dispatcher_pid($node), $pid, 'the dispatcher goes on');
my $wakeups = $node->safe_psql('postgres', 'SELECT wakeups FROM vibe.dispatcher_status()');
cmp_ok($wakeups, '<', 200, 'without spinning');

# created again: run numbers begin anew
create_vibe($node);
touch_file("$base/go");
my $campaign = create_work($node, 'again', 2);
ok(wait_for($node, "SELECT status = 'completed' FROM vibe.campaigns WHERE id = $campaign"),
	'the extension created again is served');
is($node->safe_psql('vo', "SELECT string_agg(outcome, ' ') FROM vibe.runs"), 'done done', 'with runs of the same numbers');
unlink "$base/go";

# DROP DATABASE ... WITH (FORCE), and the database comes back
create_work($node, 'forced', 1);
wait_until(sub { count_lines("$base/starts") == 5 }, 'another agent');
$node->safe_psql('postgres', 'DROP DATABASE vo WITH (FORCE)');
ok(wait_for($node, "SELECT state = 'blocked' AND problem LIKE '%does not exist%' FROM vibe.dispatcher_status()", 't', 'postgres'),
	'a dropped database is waited for');
$node->safe_psql('postgres', 'CREATE DATABASE vo');
ok(wait_for($node, "SELECT state = 'no_extension' AND pid IS NOT NULL FROM vibe.dispatcher_status()", 't', 'postgres'),
	'a new one of its name is served');
is(scalar(log_lines($node, 'database "vo" of vibe_orchestrator.databases does not exist')), 
	scalar(log_lines($node, 'A dispatcher is started when it is created')), 'one line each time');
is_deeply([ log_lines($node, 'FATAL:  database') ], [], 'no dispatcher was started for a database that was not there');

# the list changes by reload
$node->safe_psql('postgres', 'CREATE DATABASE other');
$node->safe_psql('postgres', "ALTER SYSTEM SET vibe_orchestrator.databases = other");
$node->reload;
ok(wait_for($node, "SELECT string_agg(datname, ' ') = 'other' FROM pg_stat_activity WHERE backend_type = 'vibe dispatcher'", 't', 'postgres'),
	'a reload adds and removes dispatchers');
is($node->safe_psql('postgres', "SELECT string_agg(database, ' ') FROM vibe.dispatcher_status()"), 'other', 'the status shows the configured ones');
$node->safe_psql('postgres', "ALTER SYSTEM SET vibe_orchestrator.databases = 'vo, other'");
$node->reload;
ok(wait_for($node, "SELECT string_agg(datname, ' ' ORDER BY datname) = 'other vo' FROM pg_stat_activity WHERE backend_type = 'vibe dispatcher'", 't', 'postgres'),
	'and adds them again');

my ($status, $out, $err) = $node->psql('postgres', "ALTER SYSTEM SET vibe_orchestrator.shim_path = '/bin/sh'");
like($err, qr/cannot be changed/, 'what is executed cannot be set by ALTER SYSTEM');
touch_file("$base/go");
$node->stop;
done_testing();
