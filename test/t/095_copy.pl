# A database that came from another server starts nothing by itself.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../perl";
use PostgreSQL::Test::Utils;
use Test::More;
use VibeNode;

my $node = new_vibe_node('copy', conf => "vibe_orchestrator.orphan_grace = 1s\n");
write_agent($node, 'demo', 'echo started >> "$BASE/starts"');
create_vibe($node);
my $starts = $node->basedir . '/starts';

# What a restored dump or a clone looks like to its dispatcher.
sub make_foreign
{
	$node->stop;
	$node->append_conf('postgresql.conf', "vibe_orchestrator.databases = ''");
	$node->start;
	$node->safe_psql('vo', "INSERT INTO vibe.home (identity, since) VALUES ('1/2/elsewhere', now())
		ON CONFLICT (singleton) DO UPDATE SET identity = excluded.identity");
	$node->append_conf('postgresql.conf', "vibe_orchestrator.databases = 'vo'");
	$node->reload;
	return wait_for($node, "SELECT state = 'foreign' AND problem LIKE '%take_over%' FROM vibe.dispatcher_status()");
}

ok(make_foreign(), 'a copy is recognised');
my $campaign = create_work($node, 'copied', 1);
is($node->safe_psql('vo', 'SELECT vibe._attach_dispatcher()'), 'foreign', 'and stays one');
my $wakeups = status_of($node, 'wakeups');
wait_for($node, "SELECT wakeups > $wakeups + 2 FROM vibe.dispatcher_status()");
is(count_lines($starts), 0, 'its dispatcher starts no agent');
is(scalar(my @said = log_lines($node, 'is a copy')), 1, 'the log says so once');
$node->safe_psql('vo', 'SELECT vibe.take_over()');
ok(wait_for($node, "SELECT status = 'completed' FROM vibe.campaigns WHERE id = $campaign"),
	'until somebody takes over');
is(count_lines($starts), 1, 'with one agent');

$node->append_conf('postgresql.conf', 'vibe_orchestrator.take_over = auto');
ok(make_foreign(), 'again a copy, this time with take_over = auto');
$campaign = create_work($node, 'automatic', 1);
ok(wait_for($node, "SELECT status = 'completed' FROM vibe.campaigns WHERE id = $campaign"),
	'it takes over by itself after orphan_grace and ten seconds');
is(scalar(@said = log_lines($node, 'has taken over database "vo"')), 1, 'and says so');
$node->stop;
done_testing();
