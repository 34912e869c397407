# vibe.health() on a server with a dispatcher: all is well, then one thing after the other is broken, and what the
# check says to do puts it right.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../perl";
use PostgreSQL::Test::Utils;
use Test::More;
use VibeNode;

my $node = new_vibe_node('health', start => 0, conf => "vibe_orchestrator.sweep_interval = 1h\n");
my $base = $node->basedir;
write_agent($node, 'demo', 'exit 0');
# the test's own user stands in for another one
write_runners($node, "[default]\nkind = plain\nprogram = $base/agents/demo\nprefix = /usr/bin/env\n");
$node->start;
$node->safe_psql('postgres', 'CREATE DATABASE vo');
create_vibe($node, 'default');
$node->safe_psql('vo', 'SELECT vibe.sweep()');

sub health
{
	my ($check, $column) = @_;
	$column //= 'status';
	return "SELECT $column FROM vibe.health() WHERE check_name = '$check'";
}

# What next_step says before its semicolon.
sub follow_hint
{
	my ($check) = @_;
	my $hint = $node->safe_psql('vo', health($check, 'next_step'));
	my ($statement) = $hint =~ /(SELECT [^;]+;)/;
	return $node->safe_psql('vo', $statement);
}

is( $node->safe_psql('vo', "SELECT string_agg(check_name || ': ' || value, ', ') FROM vibe.health() WHERE status <> 'ok' AND check_name <> 'restart'"),
	'', 'all is well');

# the runner file
is($node->safe_psql('vo', health('same user')), 'ok', 'no agent without a prefix');
write_runners($node, "[default]\nkind = plain\nprogram = $base/agents/demo\n");
is($node->safe_psql('vo', health('same user')), 'warn', 'an agent could do all that the server can');
write_runners($node, "[default]\nnonsense\n");
is($node->safe_psql('vo', health('runner file')), 'fail', 'the runner file cannot be used');
like($node->safe_psql('vo', health('runner file', 'value')), qr/nonsense|line 2/, 'and why');
write_runners($node, "[default]\nkind = plain\nprogram = $base/agents/missing\nprefix = /usr/bin/env\n");
is($node->safe_psql('vo', health('runner default')), 'fail', 'a program that is not there');
write_runners($node, "[default]\nkind = plain\nprogram = $base/agents/demo\nprefix = /usr/bin/env\n");
is($node->safe_psql('vo', health('runner default')), 'ok', 'one that is');

# the dispatcher
$node->append_conf('postgresql.conf', "vibe_orchestrator.databases = ''");
$node->reload;
ok(wait_for($node, health('dispatcher'), 'fail'), 'no dispatcher serves the database');
like($node->safe_psql('vo', health('dispatcher', 'next_step')), qr/^Add vo to vibe_orchestrator[.]databases; SELECT pg_reload_conf/, 'and what to do');
$node->append_conf('postgresql.conf', "vibe_orchestrator.databases = 'vo'");
follow_hint('dispatcher');
ok(wait_for($node, health('dispatcher'), 'ok'), 'that helps');
$node->safe_psql('vo', "UPDATE vibe.home SET identity = 'elsewhere'; INSERT INTO vibe.home (identity, since) SELECT 'elsewhere', now() WHERE NOT EXISTS (SELECT FROM vibe.home)");
kill 'TERM', dispatcher_pid($node);
ok(wait_for($node, health('dispatcher', 'value'), 'this is a copy, its home is elsewhere'), 'a copy');
follow_hint('dispatcher');
ok(wait_for($node, health('dispatcher'), 'ok'), 'take_over() helps');

# a supervisor whose run has ended: the run is lost behind the back of everybody
write_agent($node, 'demo', 'touch "$BASE/started"; while test ! -e "$BASE/go"; do sleep 0.05; done');
create_work($node, 'stray', 1, 'default');
ok(wait_for_file("$base/started"), 'an agent works');
is($node->safe_psql('vo', health('stray supervisors')), 'ok', 'its run is alive');
$node->safe_psql('vo', "BEGIN; DELETE FROM vibe.work; UPDATE vibe.runs SET closed_at = now(), ended_at = now(), outcome = 'lost'; COMMIT");
ok(wait_for($node, health('stray supervisors'), 'warn'), 'its supervisor is a stray one');
touch_file("$base/go");
ok(wait_for($node, health('stray supervisors'), 'ok'), 'until it is gone');

# retention is the server's, and takes effect at the next sweep
$node->safe_psql('vo', "INSERT INTO vibe.activities (id, at, kind, actor, message) VALUES (-1, now() - interval '4 days', 'old', 'x', 'x')");
is($node->safe_psql('vo', health('retention')), 'ok', 'nothing is kept for too long');
$node->append_conf('postgresql.conf', "vibe_orchestrator.activity_retention = '2d'");
$node->reload;
ok(wait_for($node, health('retention'), 'warn'), 'a shorter retention');
follow_hint('retention');
is($node->safe_psql('vo', health('retention')), 'ok', 'a sweep helps');

# the library
$node->append_conf('postgresql.conf', "shared_preload_libraries = ''");
$node->restart;
is($node->safe_psql('vo', health('dispatcher', 'value')), 'the library is not preloaded', 'without the library');
like($node->safe_psql('vo', health('dispatcher', 'next_step')), qr/^Set shared_preload_libraries/, 'and what to do');

$node->stop;
done_testing();
