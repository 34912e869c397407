# No process outlives its right to run: limits of time, and the end of a tree.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";

use Test::More;
use Time::HiRes qw(time);
use VibeShim;

my $sim = "$agents/vibe-agent-sim";

# Runs an agent and checks that nothing of it is left, and how long it took.
sub ends
{
	my ($name, $outcome, $kind, $directives, $most, %limits) = @_;
	my $begin = time;
	my ($record, $run) = run_agent($kind, [ $sim, @$directives ], limits => \%limits);
	my $took = time - $begin;
	is($record->{outcome}, $outcome, "$name: $outcome");
	cmp_ok($took, '<', $most, "$name: in time");
	is(still_running($run), 0, "$name: nothing is left");
	kill_marked($run);
	return $record;
}

my $record;
$record = ends('start limit', 'timeout_start', 'vibe', ['hang'], 3, start => 0.3);
is($record->{exit_signal}, 15, 'start limit: by SIGTERM');
$record = ends('idle limit', 'timeout_idle', 'plain', [ 'line=x', 'hang' ], 3, idle => 0.3, start => 0.2);
$record = ends('total limit', 'timeout_total', 'vibe', [ 'line=x', 'hang' ], 3, timeout => 0.4);
$record = ends('limits switched off', 'done', 'plain', [ 'split=aaaaaaaaaaaaaaaaaaaa', ], 9, start => 0, idle => 0);
$record = ends('SIGTERM ignored', 'timeout_total', 'vibe', [ 'ignore_term', 'line=x', 'hang' ], 4, timeout => 0.5, grace => 0.3);
is($record->{exit_signal}, 9, 'SIGTERM ignored: SIGKILL follows');
$record = ends('result then hang', 'done', 'vibe', [ 'usage=1,2,0.1', 'ok=fine', 'hang' ], 4, linger => 0.3);
is($record->{result}{summary}, 'fine', 'result then hang: the result counts');
$record = ends('result then hang, ignoring SIGTERM', 'done', 'vibe', [ 'ignore_term', 'ok', 'hang' ], 4, linger => 0.2, grace => 0.2);
$record = ends('result file then hang', 'done', 'vibe', [ 'file={"status":"done"}', 'line=x', 'hang' ], 4, linger => 0.3, idle => 20);
$record = ends('result and its total limit', 'done', 'vibe', [ 'ok', 'hang' ], 4, linger => 60, timeout => 0.5);
{
	my $begin = time;
	my $quick = run_agent('plain', [ $sim, 'line=x', 'hang' ], run => { timeout_s => 0.3 });
	is($quick->{outcome}, 'timeout_total', "the step's own limit wins");
	cmp_ok(time - $begin, '<', 3, '... in time');
}

# what agents leave behind
for my $kind (qw(child setsid_child scrubbed_child))
{
	$record = ends("$kind left behind", 'done', 'vibe', [ $kind, 'ok' ], 4);
	# the process in between may not have ended yet
	like($record->{leftover_processes}, qr/^[12]$/, "$kind left behind: counted");
	$record = ends("$kind of an agent in time-out", 'timeout_idle', 'plain', [ $kind, 'line=x', 'hang' ], 4, idle => 0.4);
}
is(ends('clean end', 'done', 'vibe', ['ok'], 4)->{leftover_processes}, 0, 'clean end: nothing counted');
$record = ends('scrubbed child in a failed run', 'failed', 'vibe', [ 'scrubbed_child', 'exit=1' ], 4);
$record = ends('agent killed', 'killed', 'vibe', [ 'setsid_child', 'signal=KILL' ], 4);
$record = ends('fork bomb', 'done', 'vibe', [ 'bomb=120', 'ok' ], 8);
cmp_ok($record->{leftover_processes}, '>', 20, 'fork bomb: counted');
$record = ends('fleeing processes', 'done', 'vibe', [ 'runner=4', 'ok' ], 20);

# scrubbed children cannot be found by their environment: look for them by hand
is(scalar(grep { (slurp("/proc/$_/cmdline") // '') eq "sleep\0600\0" && getppid_of($_) == 1 }
		map { m{/proc/(\d+)$} ? $1 : () } glob '/proc/[0-9]*'), 0, 'no orphan of this test is left');

sub getppid_of
{
	my ($pid) = @_;
	return (slurp("/proc/$pid/stat") // '') =~ /\) \S (\d+)/ ? $1 : 0;
}

# a shim that is killed leaves nothing that sweep cannot find
{
	my $run = new_run(runner => { kind => 'vibe', argv => [ $sim, 'child', 'setsid_child', 'bomb=10', 'line=x', 'hang' ] });
	my $other = new_run(runner => { argv => [ $sim, 'hang' ] });
	start_shim($_) for $run, $other;
	ok(wait_until(sub { marked_processes($run) > 8 && marked_processes($other) }), 'two runs are there');
	my ($agent) = grep { getppid_of($_) == $run->{pid} } marked_processes($run);
	kill 'KILL', $run->{pid};
	wait_shim($run);
	ok(wait_until(sub { !kill 0, $agent }), 'the agent dies with its shim');
	cmp_ok(still_running($run), '>', 0, 'its descendants do not');
	is(system($shim, 'sweep', $run->{dir}), 0, 'sweep ends with 0');
	is(still_running($run), 0, 'sweep ends them all');
	is(still_running($other), 1, 'and nobody else');
	is(system($shim, 'sweep', $run->{dir}), 0, 'sweep can be repeated');
	kill 'TERM', $other->{pid};
	wait_shim($other);
	is(exit_record($other)->{outcome}, 'cancelled', 'the other run is cancelled');
}

done_testing();
