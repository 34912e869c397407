# The script of the skill vibe-orchestrator: one JSON object, and an exit status that says how bad it is.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../perl";
use JSON::PP;
use PostgreSQL::Test::Utils;
use Test::More;
use VibeNode;

my $node = new_vibe_node('check', start => 0);
my $base = $node->basedir;
write_agent($node, 'demo', 'exit 100');
write_runners($node, "[default]\nkind = plain\nprogram = $base/agents/demo\nprefix = /usr/bin/env\n");
$node->start;
$node->safe_psql('postgres', 'CREATE DATABASE vo');
create_vibe($node, 'default');
# What a test's own host is like is no matter here.
$node->safe_psql('vo', "CREATE OR REPLACE FUNCTION vibe._kill_modes(unit text) RETURNS text LANGUAGE sql STABLE STRICT AS 'SELECT ''process'''");

my $skill = $node->safe_psql('vo', "SELECT skill_path FROM vibe.get_agent('vibe-orchestrator')");
ok(-e "$skill/SKILL.md", 'the skill is where skill_path points');
my $program = "$skill/scripts/check_pipeline";
ok(-x $program, 'with the script');

$ENV{PGHOST} = $node->host;
$ENV{PGPORT} = $node->port;
$ENV{PGDATABASE} = 'vo';

# Exit status, and the object that was printed.
sub check
{
	my @arguments = @_;
	my ($out, $err) = ('', '');
	IPC::Run::run([ $program, @arguments ], '<', \undef, '>', \$out, '2>', \$err);
	my $status = $? >> 8;
	return ($status, decode_json($out), $err);
}

my ($status, $said, $err) = check();
is("$status $said->{status}", '0 ok', 'all is well') or diag(encode_json($said));
is($err, '', 'no word on standard error');
ok($said->{sweep}{swept}, 'it sweeps');
is(scalar(@{$said->{stuck}}), 0, 'nothing is stuck');
ok((grep { $_->{check_name} eq 'dispatcher' && $_->{status} eq 'ok' } @{$said->{checks}}), 'the checks are there');

create_work($node, 'hard', 1, 'default');
ok(wait_for($node, "SELECT count(*) FROM vibe.work WHERE waiting_for = 'person'", '1'), 'an agent needs a person');
($status, $said) = check();
is("$status $said->{status}", '1 warn', 'that is a warning');
is($said->{stuck}[0]{code}, 'blocked', 'what is stuck is named');
like($said->{stuck}[0]{next_call}, qr/vibe[.]retry_step/, 'with the call that helps');
($status, $said) = check('--exit-zero');
is("$status $said->{status}", '0 warn', '--exit-zero');

$node->safe_psql('vo', 'CREATE ROLE looker LOGIN; GRANT vibe_viewer TO looker');
($status, $said) = check('-U', 'looker');
is($said->{status}, 'warn', 'a viewer is told the same');
is($said->{sweep}, undef, 'without a sweep');

$node->append_conf('postgresql.conf', "vibe_orchestrator.databases = ''");
$node->reload;
ok(wait_for($node, 'SELECT vibe._dispatcher_pid() IS NULL'), 'no dispatcher is left');
($status, $said) = check();
is("$status $said->{status}", '2 fail', 'a check that fails');

# It may be an agent itself.
$node->safe_psql('vo', "SELECT vibe.cancel_task(id) FROM vibe.tasks");
write_runners($node, "[default]\nkind = plain\nprogram = $program\nargs = --exit-zero\nprefix = /usr/bin/env\nenv = PGHOST=$ENV{PGHOST} PGPORT=$ENV{PGPORT} PGDATABASE=vo\npath = $ENV{PATH}\n");
$node->append_conf('postgresql.conf', "vibe_orchestrator.databases = 'vo'");
$node->reload;
create_work($node, 'looks', 1, 'vibe-orchestrator');
ok(wait_for($node, "SELECT status = 'completed' FROM vibe.campaigns WHERE slug = 'looks'"), 'a runner starts it as an agent of kind plain');
like($node->safe_psql('vo', "SELECT output_tail FROM vibe.runs WHERE agent_name = 'vibe-orchestrator'"), qr/^\{.*"checks"/, 'what it found is its output');

$node->stop;
($status, $said, $err) = check();
is("$status $said->{status}", '2 fail', 'no answer is a failure');
like($err, qr/psql: error/, 'and psql says why');
done_testing();
