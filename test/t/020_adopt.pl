# Agents outlive their dispatcher and their server, and are not started twice.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../perl";
use PostgreSQL::Test::Utils;
use Test::More;
use VibeNode;

my $node = new_vibe_node('adopt');
my $base = $node->basedir;

write_agent($node, 'demo', <<'EOA');
echo "$VIBE_TASK_ID" >> "$BASE/starts.$VIBE_CAMPAIGN"
while [ ! -e "$BASE/go.$VIBE_CAMPAIGN" ]; do sleep 0.1; done
echo finished
EOA
create_vibe($node);

# Start two agents, do something to the server, let them end.
sub survive
{
	my ($name, $disturb, %expect) = @_;
	my $campaign = create_work($node, $name, 2);

	wait_until(sub { count_lines("$base/starts.$name") == 2 }, "starts of $name");
	wait_for($node, "SELECT count(*) = 2 FROM vibe.runs WHERE campaign_id = $campaign AND pid IS NOT NULL");
	my $before = dispatcher_pid($node);
	$disturb->($before);
	wait_for($node, "SELECT state = 'running' AND pid <> $before AND running = 2 FROM vibe.dispatcher_status() WHERE database = 'vo'");
	touch_file("$base/go.$name");
	ok(wait_for($node, "SELECT status = 'completed' FROM vibe.campaigns WHERE id = $campaign"),
		"$name: the campaign is completed");
	is(count_lines("$base/starts.$name"), 2, "$name: no agent was started twice");
	is($node->safe_psql('vo', "SELECT string_agg(outcome, ' ') FROM vibe.runs WHERE campaign_id = $campaign"),
		'done done', "$name: nothing was lost");
	return;
}

survive('terminate', sub { $node->safe_psql('postgres', "SELECT pg_terminate_backend($_[0])") });
survive('killed', sub {
	kill 'KILL', $_[0];
	wait_until_gone($_[0]);
	wait_ready($node);
});
survive('fast', sub { $node->restart });
survive('immediate', sub { $node->stop('immediate'); $node->start });

# ended while nobody watched
my $campaign = create_work($node, 'unwatched', 2);
wait_until(sub { count_lines("$base/starts.unwatched") == 2 }, 'starts');
$node->stop;
touch_file("$base/go.unwatched");
wait_until(sub { count_files(run_directory($node) . '/runs/*/exit') == 2 }, 'exit records');
$node->start;
ok(wait_for($node, "SELECT status = 'completed' FROM vibe.campaigns WHERE id = $campaign"),
	'what ended while the server was down is recorded');
is(count_lines("$base/starts.unwatched"), 2, 'and not repeated');

# a record of which a crash of the machine left the name and less than its bytes
$campaign = create_work($node, 'cutoff', 2);
wait_until(sub { count_lines("$base/starts.cutoff") == 2 }, 'starts');
$node->stop;
touch_file("$base/go.cutoff");
wait_until(sub { count_files(run_directory($node) . '/runs/*/exit') == 2 }, 'exit records');
my ($cut, $emptied) = glob run_directory($node) . '/runs/*/exit';
truncate $cut, (-s $cut) - 2 or die "$cut: $!";
truncate $emptied, 0 or die "$emptied: $!";
$node->start;
ok(wait_for($node, "SELECT status = 'completed' FROM vibe.campaigns WHERE id = $campaign"), 'a record that was cut off stops nothing');
is($node->safe_psql('vo', "SELECT string_agg(outcome || attempt, ' ' ORDER BY outcome, id) FROM vibe.runs WHERE campaign_id = $campaign"),
	'done1 done1 lost1 lost1', 'its run is lost and its step done again, without using up an attempt');

# a cancel of an idle dispatcher has nothing to cancel
my $pid = dispatcher_pid($node);
$node->safe_psql('postgres', "SELECT pg_cancel_backend($pid)");
$campaign = create_work($node, 'cancelled', 1);
touch_file("$base/go.cancelled");
ok(wait_for($node, "SELECT status = 'completed' FROM vibe.campaigns WHERE id = $campaign"), 'work goes on after pg_cancel_backend');
is(dispatcher_pid($node), $pid, 'in the same dispatcher');

# a supervisor that is killed: what it ran is ended, the run is lost and repeated
$campaign = create_work($node, 'lostone', 1);
wait_until(sub { count_lines("$base/starts.lostone") == 1 }, 'start');
wait_for($node, "SELECT count(*) = 1 FROM vibe.runs WHERE campaign_id = $campaign AND pid IS NOT NULL");
kill 'KILL', $node->safe_psql('vo', "SELECT pid FROM vibe.runs WHERE campaign_id = $campaign");
ok(wait_for($node, "SELECT count(*) = 1 FROM vibe.runs WHERE campaign_id = $campaign AND outcome = 'lost'"),
	'the run of a killed supervisor is lost');
wait_until(sub { count_lines("$base/starts.lostone") == 2 }, 'second start');
touch_file("$base/go.lostone");
ok(wait_for($node, "SELECT status = 'completed' FROM vibe.campaigns WHERE id = $campaign"), 'and its step is done by the next');
is($node->safe_psql('vo', "SELECT string_agg(outcome || attempt, ' ' ORDER BY id) FROM vibe.runs WHERE campaign_id = $campaign"),
	'lost1 done1', 'without using up an attempt');

# a process id that came round again: somebody else has the number of a supervisor that died while the server was down
$campaign = create_work($node, 'reused', 1);
wait_until(sub { count_lines("$base/starts.reused") == 1 }, 'start');
wait_for($node, "SELECT count(*) = 1 FROM vibe.runs WHERE campaign_id = $campaign AND pid IS NOT NULL");
my ($run, $dead) = split /\|/, $node->safe_psql('vo', "SELECT id, pid FROM vibe.runs WHERE campaign_id = $campaign");
$node->stop;
kill 'KILL', $dead;
my $stranger = IPC::Run::start([ 'sleep', '600' ]);
my $stranger_pid = $stranger->{KIDS}[0]{PID};
my $started = run_directory($node) . "/runs/$run/started";
my $taken = slurp_file($started);
like($taken, qr/"pid": ?$dead\b/, 'the supervisor has noted its process');
unlink $started;
append_to_file($started, $taken =~ s/("pid": ?)$dead\b/$1$stranger_pid/r);
$node->start;
ok(wait_for($node, "SELECT count(*) = 1 FROM vibe.runs WHERE id = $run AND outcome = 'lost'"), 'a stranger with its number is not taken for it');
wait_until(sub { count_lines("$base/starts.reused") == 2 }, 'second start');
touch_file("$base/go.reused");
ok(wait_for($node, "SELECT status = 'completed' FROM vibe.campaigns WHERE id = $campaign"), 'the step is done by another run');
ok(kill(0, $stranger_pid), 'and the stranger lives');
$stranger->kill_kill;

# a cancelled task: the process tree ends
$campaign = create_work($node, 'stopped', 1);
wait_until(sub { count_lines("$base/starts.stopped") == 1 }, 'start');
my $shim = $node->safe_psql('vo', "SELECT pid FROM vibe.runs WHERE campaign_id = $campaign");
$node->safe_psql('vo', "SELECT vibe.cancel_campaign($campaign)");
ok(wait_for($node, "SELECT count(*) = 0 FROM vibe.runs WHERE campaign_id = $campaign AND ended_at IS NULL"),
	'the run of a cancelled campaign ends');
ok(wait_until_gone($shim), 'and so does its process') if $shim ne '';

$node->stop;
done_testing();
