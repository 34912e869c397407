# While agents work, one supervisor is kept that waits for the next run. Nothing depends on it.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../perl";
use PostgreSQL::Test::Utils;
use Test::More;
use VibeNode;

local $ENV{FROM_SERVER} = 'told in confidence';
my $node = new_vibe_node('waiting', start => 0);
my $base = $node->basedir;
my $runner = "[demo]\nkind = plain\nprogram = $base/agents/demo\npass_env = FROM_SERVER\n";

write_runners($node, $runner);
$node->start;
$node->safe_psql('postgres', 'CREATE DATABASE vo');
write_agent($node, 'demo', <<'EOA');
echo "$VIBE_CAMPAIGN $VIBE_STEP ${FROM_SERVER:-nothing} ${EXTRA:-nothing}" >> "$BASE/starts"
while [ ! -e "$BASE/go.$VIBE_CAMPAIGN.$VIBE_STEP" ]; do sleep 0.1; done
echo finished
EOA
create_vibe($node);

# Children of the dispatcher that wait for a run.
sub waiting_shims
{
	my $parent = dispatcher_pid($node);
	my @found;

	foreach my $dir (glob '/proc/[0-9]*')
	{
		my ($stat, $line) = map { my $text = ''; if (open my $file, '<', "$dir/$_") { local $/; $text = <$file> // '' } $text } qw(stat cmdline);
		next if $line !~ /vibe_shim\0wait\0/ || $stat !~ /\) \S (\d+) / || $1 != $parent;
		push @found, $dir =~ s{/proc/}{}r;
	}
	return @found;
}

sub one_waits
{
	my ($what) = @_;
	return ok(wait_until(sub { scalar(my @w = waiting_shims()) == 1 }, $what), $what);
}

sub run_of_step
{
	my ($campaign, $step) = @_;
	wait_for($node, "SELECT count(*) = 1 FROM vibe.runs WHERE campaign_id = $campaign AND step = $step AND pid IS NOT NULL AND ended_at IS NULL");
	return $node->safe_psql('vo', "SELECT pid FROM vibe.runs WHERE campaign_id = $campaign AND step = $step AND ended_at IS NULL");
}

is(scalar(my @none = waiting_shims()), 0, 'where nothing runs none waits');

my $campaign = create_work($node, 'line', 1, ('demo') x 5);
run_of_step($campaign, 1);
one_waits('one waits while an agent works');
my ($waiting) = waiting_shims();
unlike(slurp_file("/proc/$waiting/environ"), qr/FROM_SERVER/, 'and has not been told what is not its yet');
touch_file("$base/go.line.1");
is(run_of_step($campaign, 2), $waiting, 'it does the next run');
like(slurp_file("/proc/$waiting/cmdline"), qr{vibe_shim\0run\0/.*/runs/[0-9]+\0}, 'and shows it');

one_waits('another one waits then');
($waiting) = waiting_shims();
kill 'KILL', $waiting;
touch_file("$base/go.line.2");
isnt(run_of_step($campaign, 3), $waiting, 'one that was killed is not missed');

# the runner file counts that is there when the run is handed over
one_waits('again one waits');
write_runners($node, "${runner}env = EXTRA=xxxxxxxxxx\n");
$node->reload;
wait_for($node, "SELECT count(*) = 1 FROM vibe.runners() WHERE name = 'demo' AND found");
touch_file("$base/go.line.3");
run_of_step($campaign, 4);
wait_until(sub { count_lines("$base/starts") == 4 }, 'start of step 4');

# a stopped one takes its message and does nothing: the run is not started twice
one_waits('one waits for the last step');
($waiting) = waiting_shims();
kill 'STOP', $waiting;
touch_file("$base/go.line.4");
is(run_of_step($campaign, 5), $waiting, 'a run was handed to a supervisor that was stopped');
kill 'KILL', $waiting;
ok(wait_for($node, "SELECT bool_or(outcome = 'lost') FROM vibe.runs WHERE campaign_id = $campaign AND step = 5"), 'when that dies, the run is lost');
run_of_step($campaign, 5);
touch_file("$base/go.line.5");
ok(wait_for($node, "SELECT status = 'completed' FROM vibe.campaigns WHERE id = $campaign"), 'and the step done by another');
is(join("\n", split /\n/, slurp_file("$base/starts")), join("\n",
	(map { "line $_ told in confidence nothing" } 1 .. 3), (map { "line $_ told in confidence xxxxxxxxxx" } 4 .. 5)),
	'every agent was started once, with what its runner passes on');
ok(wait_until(sub { scalar(my @w = waiting_shims()) == 0 }, 'none waits'), 'when nothing runs any more, none waits');

# it ends with its dispatcher
$campaign = create_work($node, 'orphan', 1);
run_of_step($campaign, 1);
one_waits('one waits beside the other campaign');
($waiting) = waiting_shims();
kill 'KILL', dispatcher_pid($node);
ok(wait_until_gone($waiting), 'it ends with its dispatcher');
wait_ready($node);
touch_file("$base/go.orphan.1");
ok(wait_for($node, "SELECT status = 'completed' FROM vibe.campaigns WHERE id = $campaign"), 'and the work goes on');

$node->stop;
done_testing();
