# Nothing left: descriptors, processes, room on the disk.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";

use Test::More;
use VibeShim;

my $sim = "$agents/vibe-agent-sim";

# Runs a shim below limits of prlimit(1).
sub run_with
{
	my ($limit, %with) = @_;
	my $run = new_run(%with);
	is(system('prlimit', $limit, $shim, 'run', $run->{dir}), 0, "$limit: shim ends with status 0");
	return (exit_record($run) // {}, $run);
}

# How many it takes depends on what this process was given open, so the number is found, not known.
{
	my $files = 5;
	my $record;
	while ((($record) = run_with("--nofile=$files", runner => { argv => ['/bin/true'] }))[0]{outcome} ne 'done')
	{
		is($record->{outcome}, 'exec_error', "$files descriptors: exec_error");
		like($record->{error}, qr/Too many open files/, "$files descriptors: says why");
		last if ++$files > 100;
	}
	cmp_ok($files, '>', 10, 'descriptors were scarce');
	is($record->{outcome}, 'done', 'and with one more it works');
}
SKIP:
{
	skip 'root has no limit of processes', 3 if !$>;
	my ($record) = run_with('--nproc=1', runner => { argv => ['/bin/true'] });
	is($record->{outcome}, 'exec_error', 'no process left: exec_error');
	like($record->{error}, qr/Resource temporarily unavailable/, 'no process left: says why');
}

# a file may not grow over 8 KiB: as on a full disk
{
	my ($record, $run) = run_with('--fsize=8192', runner => { kind => 'vibe', argv => [ $sim, 'flood=1', 'ok=kept' ] });
	is($record->{outcome}, 'done', 'no room for the log: the run goes on');
	is($record->{result}{summary}, 'kept', 'no room for the log: the result is kept');
	cmp_ok($record->{stdout_dropped}, '>', 900000, 'no room for the log: what is missing is counted');
	cmp_ok(length $record->{stdout_tail}, '<=', 4096, 'no room for the record: its tails are cut');
	ok(-s "$run->{dir}/exit", 'no room: the record is there');
	is_deeply([ glob "$run->{dir}/*.tmp" ], [], 'no room: no half file stays');
}
{
	my ($record) = run_with('--fsize=8192', runner => { kind => 'vibe', argv => [ $sim, 'ok' ] }, run => { prompt => 'x' x 100000 });
	is($record->{outcome}, 'exec_error', 'no room for the input: exec_error');
	like($record->{error}, qr/input\.json.*File too large/, 'no room for the input: says why');
}
# what a runner's limits keep an agent from taking
{
	my $hog = 'my $text = "x" x 400_000_000; print length $text';
	is(run_agent('plain', [ '/usr/bin/perl', '-e', $hog ])->{outcome}, 'done', 'memory without a limit');
	my $record = run_agent('plain', [ '/usr/bin/perl', '-e', $hog ], limits => { as => 200_000_000 });
	is($record->{outcome}, 'failed', 'an agent that takes more memory than its runner allows fails');
	like($record->{stderr_tail}, qr/Out of memory/i, 'as it would anywhere');
	$record = run_agent('plain', [ '/usr/bin/perl', '-e', '1 while 1' ], limits => { cpu => 1 });
	is($record->{outcome}, 'killed', 'one that takes more processor time is killed');
}
{
	my $record = run_agent('plain', [ '/bin/sh', '-c', 'head -c 100000 /dev/zero > big' ], limits => { fsize => 4096, nproc => 100 });
	isnt($record->{outcome}, 'done', "the runner's own limit of file size holds");
}

done_testing();
