# Very many runs at the same time: all are supervised, the dispatcher hardly
# works, and a cancel is answered at once.
#
# CHAOS_RUNS (500)

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../perl";
use POSIX ();
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time sleep);
use VibeChaos;
use VibeNode;

my $runs = size_of('RUNS', 500);
my $node = new_vibe_node('many', runners => "[demo]\nkind = plain\nprogram = /bin/sleep\nargs = 3600\nlimits = nice=0 grace=1\n",
	conf => "vibe_orchestrator.max_runs = 2000\nvibe_orchestrator.poll_interval = 10s\nlog_statement = none\n");
create_vibe($node);

my $begin = time;
my $campaign = create_work($node, 'many', $runs);
ok(wait_for($node, "SELECT count(*) = $runs FROM vibe.runs WHERE started_at IS NOT NULL AND ended_at IS NULL"), "$runs runs are started");
my $started = time - $begin;
ok(wait_until(sub { agents_of($node) == $runs }, 'agents'), 'each has its agent');
is(scalar(my @shims = shims_of($node)), $runs, 'and its shim');
is(status_of($node, 'running'), $runs, 'all are watched');

my $pid = dispatcher_pid($node);
my $used = cpu_seconds($pid);
my $since = time;
sleep 10;
my $share = 100 * (cpu_seconds($pid) - $used) / (time - $since);
cmp_ok($share, '<', 5, sprintf 'the dispatcher takes %.1f %% of a core', $share);

# by one connection, so that what is measured is the call
my $psql = $node->background_psql('vo');
my $slowest = 0;
my $slowest_end = 0;
foreach my $run (split /\n/, $node->safe_psql('vo', "SELECT id FROM vibe.runs WHERE ended_at IS NULL ORDER BY id LIMIT 10"))
{
	$begin = time;
	$psql->query_safe("SELECT vibe.cancel_run($run)");
	my $took = time - $begin;
	$slowest = $took if $took > $slowest;
	wait_until(sub { $psql->query_safe("SELECT count(*) FROM vibe.runs WHERE id = $run AND ended_at IS NOT NULL") =~ /1/ }, "end of run $run");
	my $ended = time - $begin;
	$slowest_end = $ended if $ended > $slowest_end;
}
$psql->quit;
cmp_ok($slowest, '<', 0.1, sprintf 'the slowest of ten cancels is answered in %.0f ms', 1000 * $slowest);
cmp_ok($slowest_end, '<', 5, sprintf '... and its run is gone after %.1f s', $slowest_end);

$begin = time;
$node->safe_psql('vo', "SELECT vibe.cancel_campaign($campaign)");
ok(defined settle($node, 120), 'a cancelled campaign ends all');
diag(sprintf '%d runs: started in %.1f s, dispatcher %.1f %% of a core, cancel %.0f ms, all ended %.1f s after the last cancel',
	$runs, $started, $share, 1000 * $slowest, time - $begin);
no_processes_left($node, 5);
is(scalar(my @zombies = zombies_of($node)), 0, 'no zombie is left');
$node->stop;
done_testing();
