# vibe.why() about what only a server with a dispatcher can show.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../perl";
use PostgreSQL::Test::Utils;
use Test::More;
use VibeNode;

my $node = new_vibe_node('why', start => 0);
my $base = $node->basedir;
my %block = (
	demo    => "kind = plain\nprogram = $base/agents/demo\nprovider = anthropic\nmax_parallel = 2",
	missing => "kind = plain\nprogram = $base/agents/missing");

sub runner_file
{
	write_runners($node, join "\n", map { "[$_]\n$block{$_}\n" } @_);
	return;
}

sub why
{
	my ($slug, $number, $column) = @_;
	$column //= 'code';
	return "SELECT w.$column FROM vibe.tasks t JOIN vibe.campaigns c ON c.id = t.campaign_id, vibe.why(t.id) w WHERE c.slug = '$slug' AND t.number = $number";
}

runner_file('demo', 'missing');
write_agent($node, 'demo', 'while test ! -e "$BASE/go"; do sleep 0.05; done');
$node->start;
$node->safe_psql('postgres', 'CREATE DATABASE vo');
create_vibe($node, 'demo', 'missing');

create_work($node, 'first', 3, 'demo');
ok(wait_for($node, why('first', 3), 'slot_of_runner'), 'its runner has as many runs as it may');
ok(wait_for($node, why('first', 1), 'running'), 'an agent is at it');
$node->safe_psql('vo', "SELECT vibe.set_provider_limit('anthropic', 2)");
is($node->safe_psql('vo', why('first', 3)), 'slot_of_provider', 'its provider has as many as it may');
$node->safe_psql('vo', "SELECT vibe.pause_provider('anthropic', reason => 'over the limit')");
is($node->safe_psql('vo', why('first', 3)), 'provider_paused', 'its provider is paused');
like($node->safe_psql('vo', why('first', 3, 'reason')), qr/over the limit/, 'and why');
is($node->safe_psql('vo', why('first', 3, 'next_call')), "SELECT * FROM vibe.resume_provider(name => 'anthropic');", 'and what to call');

create_work($node, 'second', 1, 'missing');
ok(wait_for($node, why('second', 1), 'runner_unusable'), 'a program that is not there');
runner_file('demo');
$node->reload;
ok(wait_for($node, why('second', 1), 'runner_unknown'), 'its runner is not in the file');
unlink "$base/etc/runners.conf";
append_to_file("$base/etc/runners.conf", "nonsense\n");
is($node->safe_psql('vo', why('second', 1)), 'runner_unusable', 'or the file cannot be read');

$node->append_conf('postgresql.conf', "vibe_orchestrator.databases = ''");
runner_file('demo', 'missing');
$node->reload;
$node->safe_psql('vo', "SELECT vibe.resume_provider('anthropic'), vibe.set_provider_limit('anthropic', NULL)");
ok(wait_for($node, why('second', 1), 'no_dispatcher'), 'no dispatcher serves the database');
touch_file("$base/go");

$node->append_conf('postgresql.conf', "shared_preload_libraries = ''");
$node->restart;
is($node->safe_psql('vo', why('second', 1)), 'library_not_preloaded', 'the library is not preloaded');

$node->stop;
done_testing();
