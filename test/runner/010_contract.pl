# Does a runner keep the contract?  RUNNER, RUNNER_FILE: see scripts/test-runner.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";

use Test::More;
use Time::HiRes qw(time);
use VibeRunner;
use VibeShim;

plan skip_all => 'RUNNER names no runner' if !$ENV{RUNNER};

# Shows what there is to see where something went wrong.
sub explain_end
{
	my ($record) = @_;
	diag("outcome $record->{outcome}: " . ($record->{error} // 'no error'));
	diag("stdout: $record->{stdout_tail}") if length($record->{stdout_tail} // '');
	diag("stderr: $record->{stderr_tail}") if length($record->{stderr_tail} // '');
	return;
}

sub said_something
{
	my ($run) = @_;
	return -s "$run->{dir}/stdout.0" || -s "$run->{dir}/stderr.0";
}

# a task
my $run = runner_run();
diag("runner $ENV{RUNNER}, kind " . runner_kind($run) . ': ' . join(' ', @{ $run->{launch}{runner}{argv} }));
my $begin = time;
start_shim($run, %ENV);
ok(defined wait_shim($run, 330), 'the run ends');
my $took = time - $begin;
my $record = exit_record($run) // { outcome => 'no record' };
isnt($record->{outcome}, 'exec_error', 'the program starts');
is($record->{outcome}, 'done', sprintf 'it does a small task (%.1f s)', $took) or explain_end($record);
is($record->{exit_code}, 0, 'and ends with exit status 0') if ($record->{outcome} // '') eq 'done';
ok($record->{result}, 'there is a result of its kind');
is($record->{leftover_processes}, 0, 'it leaves no process behind');
is(still_running($run), 0, 'nothing of it lives');
diag('it tells no usage, so no budget can be kept') if runner_kind($run) eq 'vibe' && !$record->{usage};
SKIP:
{
	skip 'its kind need not tell its usage', 1 if !can_tell_usage($run);
	ok($record->{usage}, 'it tells what it used') or diag('without usage no budget is kept');
}
SKIP:
{
	skip 'its kind need not tell its session', 1 if !can_tell_session($run);
	ok($record->{session}, 'it tells its session') or diag('without one a lost run starts from the beginning');
}

# a prompt that no pipe holds: it has to be read, or at least not waited for
$run = runner_run(run => { prompt => "Answer with the single word: ready. Ignore what follows.\n" . "filling text\n" x 20000 });
start_shim($run, %ENV);
ok(defined wait_shim($run, 330), 'a long prompt on stdin stops nothing');
$record = exit_record($run) // { outcome => 'no record' };
unlike($record->{outcome}, qr/^(timeout|exec_error|killed)/, '... and the run ends by itself') or explain_end($record);

# limits of time end it, and with it all that it started
$run = runner_run(limits => { grace => 5, linger => 0 }, run => { timeout_s => 1 });
$begin = time;
start_shim($run, %ENV);
ok(defined wait_shim($run, 60), 'a total limit of 1 s ends it');
$took = time - $begin;
$record = exit_record($run) // { outcome => 'no record' };
like($record->{outcome}, qr/^(timeout_total|done)$/, sprintf 'as what it is (%.1f s)', $took) or explain_end($record);
cmp_ok($took, '<', 1 + 5 + 5, 'in time');
is(still_running($run), 0, 'nothing of it lives');

SKIP:
{
	$run = runner_run(limits => { grace => 5, start => 0, idle => 0 });
	$begin = time;
	start_shim($run, %ENV);
	# as soon as it runs; some are through before that
	wait_until(sub { said_something($run) || still_running($run) || -e "$run->{dir}/exit" }, 30);
	kill 'TERM', $run->{pid};
	ok(defined wait_shim($run, 60), 'a cancel ends it');
	$took = time - $begin;
	$record = exit_record($run) // { outcome => 'no record' };
	skip 'it was through before it could be cancelled', 2 if $record->{outcome} eq 'done';
	is($record->{outcome}, 'cancelled', sprintf 'as cancelled (%.1f s)', $took) or explain_end($record);
	isnt($record->{exit_signal} // 0, 9, 'on SIGTERM within the grace')
	  or diag('it had to be killed: raise grace, or let it end on SIGTERM');
	is(still_running($run), 0, 'nothing of it lives');
}

done_testing();
