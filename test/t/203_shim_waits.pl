# A shim that waits for its run: what it makes ahead, when it starts, and how it says that the record is there.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";

use IO::Poll qw(POLLERR);
use POSIX ();
use Test::More;
use VibeShim;

# A shim that waits beside a run directory; its own end of the pipe is the test's last word.
sub start_waiting
{
	my ($next) = @_;
	pipe(my $from, my $to) or die "pipe: $!";
	my $pid = fork // die "fork: $!";
	if ($pid == 0)
	{
		close $to;
		open STDIN, '<&', $from or POSIX::_exit(1);
		close $from;
		exec $shim, 'wait', $next . ' ' x 40 or POSIX::_exit(1);
	}
	close $from;
	return { pid => $pid, to => $to };
}

sub offer
{
	my ($waiting, $run) = @_;
	syswrite $waiting->{to}, "$run->{dir}\0HTTPS_PROXY=http://proxy\0\0";
	return wait_until(sub { (slurp("/proc/$waiting->{pid}/cmdline") // '') =~ /\0?run\0\Q$run->{dir}\E\0/ });
}

sub waits_for_hang_up
{
	my ($waiting) = @_;
	my $poll = IO::Poll->new;
	$poll->mask($waiting->{to} => POLLERR);
	return $poll->poll(20) == 1;
}

# taken back
{
	my $run = new_run();
	my $waiting = start_waiting("$run->{dir}/none");
	ok(offer($waiting, $run), 'an offered run is shown');
	close $waiting->{to};
	waitpid $waiting->{pid}, 0;
	is($?, 0, 'when it is taken back, the shim ends');
	is_deeply([ map { s{.*/}{}r } glob "$run->{dir}/*" ], ['launch'], 'without having taken the run or made anything');
}

# started
{
	my $run = new_run(runner => { argv => [ '/bin/sh', '-c', 'echo $HTTPS_PROXY' ], pass_env => ['HTTPS_PROXY'] });
	my $waiting = start_waiting($run->{dir});
	ok(wait_until(sub { -s "$run->{dir}/meta.$waiting->{pid}" }), 'its description is made ahead');
	my $made = (stat "$run->{dir}/meta.$waiting->{pid}")[1];
	offer($waiting, $run);
	ok(!-e "$run->{dir}/started", 'nothing is started yet');
	syswrite $waiting->{to}, "\0";
	ok(waits_for_hang_up($waiting), 'it hangs up');
	my $record = exit_record($run);
	is($record->{outcome}, 'done', 'once its record is there');
	like($record->{stdout_tail}, qr{^http://proxy$}, 'its agent was told what came with the offer');
	is((stat "$run->{dir}/started")[1], $made, 'the run was taken with what was made ahead');
	waitpid $waiting->{pid}, 0;
	is_deeply([ glob "$run->{dir}/meta.*" ], [], 'of which no other name stays');
}

# files that the dispatcher made ahead, and what only looks like one
{
	my $run = new_run();
	spew("$run->{dir}/victim", '');
	spew("$run->{dir}/$_", '') for qw(input.json exit.tmp);
	chmod 0600, "$run->{dir}/input.json", "$run->{dir}/exit.tmp";
	symlink "$run->{dir}/victim", "$run->{dir}/token" or die "symlink: $!";
	my %made = map { $_ => (stat "$run->{dir}/$_")[1] } qw(input.json exit.tmp);
	is(run_shim($run)->{outcome}, 'done', 'a run whose files were made ahead is done');
	is((stat "$run->{dir}/input.json")[1], $made{'input.json'}, 'its input is written into the file that was there');
	is((stat "$run->{dir}/exit")[1], $made{'exit.tmp'}, 'and so is its record');
	is(slurp("$run->{dir}/victim"), '', 'a link is not followed');
	ok(!-l "$run->{dir}/token", 'but replaced');
}
{
	my $run = new_run();
	spew("$run->{dir}/other", '');
	chmod 0600, "$run->{dir}/other";
	link "$run->{dir}/other", "$run->{dir}/input.json" or die "link: $!";
	run_shim($run);
	is(-s "$run->{dir}/other", 0, 'a file with another name is not written to');
	cmp_ok(-s "$run->{dir}/input.json", '>', 0, 'but replaced');
}

done_testing();
