# An agent that does not want to go, under cancels and under kill -9 of its
# shim, the dispatcher and the postmaster.
#
# CHAOS_CANCELS (300), CHAOS_SHIM_KILLS, CHAOS_DISPATCHER_KILLS,
# CHAOS_POSTMASTER_KILLS (30 each)

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../perl";
use POSIX ();
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);
use VibeChaos;
use VibeNode;

my $orphan_grace = 2;
my $grace = 1;
my $at_once = size_of('AT_ONCE', 10);
my $node = new_vibe_node('hostile', start => 0,
	conf => "vibe_orchestrator.max_runs = $at_once\nvibe_orchestrator.orphan_grace = ${orphan_grace}s\nlog_statement = none\n");
my $base = $node->basedir;

write_runners($node, "[demo]\nkind = plain\nprogram = $base/agents/demo\nlimits = grace=$grace start=0 idle=0\n");
hostile_agent($node, 'demo');
$node->start;
$node->safe_psql('postgres', 'CREATE DATABASE vo');
create_vibe($node);

sub started
{
	my ($campaign, $count) = @_;
	return wait_for($node, "SELECT count(*) >= $count FROM vibe.runs WHERE campaign_id = $campaign AND started_at IS NOT NULL AND ended_at IS NULL")
	  && wait_until(sub { agents_of($node) >= $count }, 'agents');
}

# Cancels, as many at once as run.
my $cancels = size_of('CANCELS', 300);
my $slowest = 0;
for (my $done = 0; $done < $cancels; $done += $at_once)
{
	my $campaign = create_work($node, "cancel-$done", $at_once);
	started($campaign, $at_once);
	my $begin = time;
	$node->safe_psql('vo', "SELECT vibe.cancel_campaign($campaign)");
	my $took = settle($node, 60);
	last if !ok(defined $took, 'cancelled runs end');
	$slowest = time - $begin if time - $begin > $slowest;
}
no_processes_left($node, 2);
cmp_ok($slowest, '<', $grace + 5, 'the end comes soon after each cancel');
diag(sprintf '%d cancels, the slowest took %.1f s with a grace of %d s', $cancels, $slowest, $grace);
is($node->safe_psql('vo', "SELECT string_agg(DISTINCT outcome, ' ') FROM vibe.runs"), $cancels > 0 ? 'cancelled' : '', 'every run is cancelled');
is(scalar(my @zombies = zombies_of($node)), 0, 'no zombie is left');

# Kill -9 of one part of the machinery after the other; agents start anew or are adopted.
sub under_kills
{
	my ($what, $times, $kill) = @_;
	return if !$times;
	my $campaign = create_work($node, $what, 2);
	started($campaign, 2);
	for (1 .. $times)
	{
		$kill->();
		wait_ready($node);
		wait_for($node, "SELECT state = 'running' FROM vibe.dispatcher_status() WHERE database = 'vo'");
		started($campaign, 2) or last;
	}
	my $begin = time;
	is($node->safe_psql('vo', "SELECT count(*), count(*) FILTER (WHERE outcome <> 'lost') FROM vibe.runs WHERE campaign_id = $campaign AND ended_at IS NULL"),
		'2|0', "$what: two runs go on");
	is($node->safe_psql('vo', "SELECT coalesce(max(attempts), 0) FROM vibe.work WHERE campaign_id = $campaign"), 0, "$what: no attempt is used up");
	is($node->safe_psql('vo', "SELECT count(*) FROM vibe.runs WHERE campaign_id = $campaign AND ended_at IS NOT NULL AND outcome <> 'lost'"),
		0, "$what: runs that ended were lost");
	diag(sprintf '%s: killed %d times, %s runs lost', $what, $times,
		$node->safe_psql('vo', "SELECT count(*) FROM vibe.runs WHERE campaign_id = $campaign AND outcome = 'lost'"));
	$node->safe_psql('vo', "SELECT vibe.cancel_campaign($campaign)");
	ok(defined settle($node, 60), "$what: the rest ends when cancelled");
	no_processes_left($node, $grace + $orphan_grace + 2);
	is(scalar(@zombies = zombies_of($node)), 0, "$what: no zombie is left");
	return;
}

under_kills('shim', size_of('SHIM_KILLS', 30), sub {
	my ($victim) = shims_of($node);
	kill_hard($victim);
	wait_until_gone($victim);
});
under_kills('dispatcher', size_of('DISPATCHER_KILLS', 30), sub { kill_dispatcher($node) });
under_kills('postmaster', size_of('POSTMASTER_KILLS', 30), sub { kill_postmaster($node) });

# Nobody comes back: the agents are ended by their shims.
my $campaign = create_work($node, 'orphans', 2);
started($campaign, 2);
$node->stop('immediate');
no_processes_left($node, $grace + $orphan_grace + 2);
done_testing();
