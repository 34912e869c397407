# Who may end a run from outside: the dispatcher, by signal or by file, and a
# server that is gone for too long.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";

use Test::More;
use Time::HiRes qw(time);
use VibeShim;

my $sim = "$agents/vibe-agent-sim";

{
	my $run = new_run(runner => { argv => [ $sim, 'write=trace' ] });
	spew("$run->{dir}/cancel", '');
	my $record = run_shim($run);
	is($record->{outcome}, 'cancelled', 'cancelled before its start');
	is($record->{exit_code}, undef, '... without an exit code');
	ok(!-e "$run->{workspace}/trace", '... and without an agent');
}
for my $way ('signal', 'file')
{
	my $run = new_run(
		runner => { kind => 'vibe', argv => [ $sim, 'usage=10,20,0.5', 'setsid_child', 'line=ready', 'hang' ] },
		top    => { orphan_grace => 0.4 });
	my $alive = "$run->{base}/alive";
	my $holder = lock_alive($alive);
	spew("$run->{dir}/launch", slurp("$run->{dir}/launch") =~ s/"alive":null/"alive":"$alive"/r);
	start_shim($run);
	ok(wait_until(sub { (slurp("$run->{dir}/stdout.0") // '') =~ /ready/ }), "$way: output can be read while it runs");
	kill 'TERM', $run->{pid} if $way eq 'signal';
	spew("$run->{dir}/cancel", '') if $way eq 'file';
	is(wait_shim($run), 0, "$way: shim ends with status 0");
	my $record = exit_record($run);
	is($record->{outcome}, 'cancelled', "$way: cancelled");
	is($record->{exit_signal}, 15, "$way: agent was asked first");
	is($record->{usage}{cost_usd}, 0.5, "$way: money spent is still counted");
	is(still_running($run), 0, "$way: nothing is left");
	kill 'KILL', $holder;
	waitpid $holder, 0;
}

# the lock of a living server
{
	my $run = new_run(runner => { kind => 'vibe', argv => [ $sim, 'setsid_child', 'line=ready', 'hang' ] },
		top => { orphan_grace => 0.5 });
	my $alive = "$run->{base}/alive";
	my $holder = lock_alive($alive);
	spew("$run->{dir}/launch", slurp("$run->{dir}/launch") =~ s/"alive":null/"alive":"$alive"/r);
	start_shim($run);
	my $begin = time;
	wait_until(sub { time - $begin > 1.5 });
	ok(kill(0, $run->{pid}), 'a held lock keeps the agent alive beyond orphan_grace');

	# a server that comes back in time
	kill 'KILL', $holder;
	waitpid $holder, 0;
	$begin = time;
	wait_until(sub { time - $begin > 0.25 });
	$holder = lock_alive($alive);
	$begin = time;
	wait_until(sub { time - $begin > 1 });
	ok(kill(0, $run->{pid}), 'a server that is back within orphan_grace finds its agent');

	kill 'KILL', $holder;
	waitpid $holder, 0;
	$begin = time;
	is(wait_shim($run), 0, 'shim ends when the lock stays free');
	cmp_ok(time - $begin, '>', 0.4, '... not before orphan_grace');
	cmp_ok(time - $begin, '<', 5, '... but soon after');
	is(exit_record($run)->{outcome}, 'lost', '... and the run is lost');
	is(still_running($run), 0, '... with nothing left');
}
{
	my $run = new_run(runner => { argv => [ $sim, 'line=x', 'hang' ] },
		top => { orphan_grace => 0.3, alive => '/nonexistent/alive' });
	is(run_shim($run)->{outcome}, 'lost', 'no lock file is no server');
}

# how fast
{
	my @took;
	for (1 .. 40)
	{
		my $run = new_run(runner => { argv => ['/bin/true'] });
		my $begin = time;
		start_shim($run);
		waitpid $run->{pid}, 0;
		push @took, (time - $begin) * 1000;
	}
	@took = sort { $a <=> $b } @took;
	note(sprintf 'a run of /bin/true: median %.1f ms, worst %.1f ms', $took[20], $took[-1]);
	cmp_ok($took[20], '<', 100, 'a short run costs little');
}

done_testing();
