# What an exit code, a signal and a result mean.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";

use Config;
use Test::More;
use VibeShim;

my $sim = "$agents/vibe-agent-sim";
my %meaning = (
	0 => 'done', 75 => 'rate_limited', 77 => 'auth', 100 => 'blocked', 101 => 'budget',
	102 => 'revise',
);
my %permanent = map { $_ => 1 } 64, 65, 66, 78;

# All 256 exit codes, sixteen shims at a time.
sub all_codes
{
	my ($kind) = @_;
	my (%got, @wrong);
	for my $block (0 .. 15)
	{
		my @runs = map {
			my $run = new_run(runner => {
					kind => $kind,
					argv => [ '/bin/sh', '-c', 'echo \'{"vibe":"result","status":"done"}\'; exit ' . ($block * 16 + $_) ],
				});
			start_shim($run);
			$run;
		} 0 .. 15;
		for my $code (0 .. 15)
		{
			wait_shim($runs[$code]);
			$got{ $block * 16 + $code } = exit_record($runs[$code]);
		}
	}
	for my $code (0 .. 255)
	{
		my $record = $got{$code};
		my $ok = $record->{outcome} eq ($meaning{$code} // 'failed')
		  && $record->{exit_code} == $code
		  && !defined $record->{exit_signal}
		  && !!$record->{permanent} == !!$permanent{$code};
		push @wrong, "$code $record->{outcome}" unless $ok;
	}
	is_deeply(\@wrong, [], "$kind: all 256 exit codes mean what the contract says");
	like($got{64}{error}, qr/permanent/, "$kind: a permanent failure says so");
	return;
}
all_codes('plain');
all_codes('vibe');

for my $name (qw(KILL SEGV TERM ABRT USR1))
{
	my %number;
	@number{ split ' ', $Config{sig_name} } = split ' ', $Config{sig_num};
	my $record = run_agent('vibe', [ $sim, 'ok', "signal=$name" ]);
	is($record->{outcome}, 'killed', "SIG$name: killed");
	is($record->{exit_signal}, $number{$name}, "SIG$name: number is told");
	is($record->{exit_code}, undef, "SIG$name: no exit code");
}
is(run_agent('plain', [ '/bin/sh', '-c', 'exit 137' ])->{outcome}, 'failed',
	'an exit code over 128 is not a signal');

{
	my $record = run_agent('vibe', [ $sim, 'ratelimit=90' ]);
	is($record->{outcome}, 'rate_limited', '75: try again later');
	is($record->{retry_after_s}, 90, '75: after the time that was told');
	like($record->{error}, qr/busy/, '75: with the reason that was told');
	ok(!$record->{pauses_provider}, '75: for this run');
	$record = run_agent('vibe', [ $sim, 'line={"vibe":"retry","after_s":5,"provider":true}', 'exit=75' ]);
	ok($record->{pauses_provider}, '75: for all of the provider, where that was told');
}
{
	my $record = run_agent('plain', [ '/bin/sh', '-c', "echo 'first'; echo 'why it broke' >&2; exit 3" ]);
	is($record->{error}, 'exit code 3: why it broke', 'the last line of stderr explains a failure');
	is($record->{stderr_tail}, "why it broke\n", 'stderr tail is kept');
	is($record->{result}, undef, 'a failure has no result');
}
{
	my $record = run_agent('plain', [ '/bin/sh', '-c', "printf 'one\\ntwo\\n\\n \\n'" ]);
	is($record->{result}{summary}, 'two', 'plain: summary is the last line that is not empty');
	is($record->{result}{output}{text}, "one\ntwo\n\n \n", 'plain: stdout is the output');
	$record = run_agent('plain', [ '/usr/bin/perl', '-CO', '-e', 'print chr(233) x 1000' ]);
	is($record->{result}{summary}, chr(233) x 500, 'plain: summary is cut to 500 characters');
}

done_testing();
