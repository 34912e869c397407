# Output of any size and of any bytes: capped, counted, made text, masked.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";

use List::Util qw(sum0);
use Test::More;
use VibeShim;

my $sim = "$agents/vibe-agent-sim";

sub log_size
{
	my ($run, $stream) = @_;
	return sum0(map { -s $_ } glob "$run->{dir}/$stream.*");
}

# much
{
	my ($record, $run) = run_agent('vibe', [ $sim, 'flood=100', 'ok=end' ]);
	my $total = 100 * 10486 * 100 + length qq({"vibe":"result","status":"done","summary":"end"}\n);
	is($record->{outcome}, 'done', '100 MB: the result behind it is found');
	is(log_size($run, 'stdout') + $record->{stdout_dropped}, $total, '100 MB: every byte is kept or counted');
	cmp_ok(log_size($run, 'stdout'), '<=', 4194304, '100 MB: log is capped');
	cmp_ok(log_size($run, 'stdout'), '>', 3 * 1048576, '100 MB: log is used');
	is(-s "$run->{dir}/stdout.0", 1048576, '100 MB: head is kept');
	is(length $record->{stdout_tail}, 65536, '100 MB: tail is 64 KiB');
	like($record->{stdout_tail}, qr/"end"\}\n\z/, '100 MB: tail is the end');
}
{
	my ($record, $run) = run_agent('vibe', [ $sim, 'blob=1024', 'line=', 'ok' ]);
	is($record->{outcome}, 'done', '1 GB without a newline: the next line is read');
	cmp_ok(log_size($run, 'stdout'), '<=', 4194304, '1 GB without a newline: log is capped');
	$record = run_agent('vibe', [ $sim, 'blob=50' ]);
	is($record->{outcome}, 'bad_result', '50 MB without a newline: no result');
}
{
	my ($record, $run) = run_agent('plain', [ $sim, 'flood=3' ], limits => { stdout => 65536 });
	cmp_ok(log_size($run, 'stdout'), '<=', 65536, 'limit of the runner holds');
	cmp_ok($record->{stdout_dropped}, '>', 3000000, 'and the rest is counted');
}

# any bytes
{
	my ($record, $run) = run_agent('plain', [ $sim, 'bytes=41004200c328e28228f0288cbceda080f490808043' ]);
	my $bad = "\x{FFFD}";
	is($record->{result}{output}{text}, "A${bad}B${bad}${bad}(${bad}${bad}(${bad}(${bad}${bad}${bad}${bad}${bad}${bad}${bad}${bad}${bad}C",
		'NUL and invalid UTF-8 are replaced');
	unlike(slurp("$run->{dir}/exit"), qr/[^\x20-\x7e\n]|\\u0000/, 'exit record is ASCII without NUL');
}
{
	my $record = run_agent('plain', [ $sim, "split=\x{20AC}\x{1F600}" ]);
	is($record->{result}{output}{text}, "\x{20AC}\x{1F600}\n", 'a character split over reads stays whole');
	$record = run_agent('plain', [ $sim, 'bytes=e282' ]);
	like($record->{result}{output}{text}, qr/^\x{FFFD}+$/, 'half a character at the end is replaced');
	$record = run_agent('plain', [ '/usr/bin/perl', '-e', 'print "x", "\xE2\x82\xAC" x 30000' ]);
	is($record->{stdout_tail}, "\x{20AC}" x 21845, 'tail begins with a whole character');
	$record = run_agent('plain', [ '/usr/bin/perl', '-e', 'print "\x01" x 200000; print STDERR "\x01" x 200000; exit 1' ]);
	is(length $record->{stderr_tail}, 65536, 'a tail of control characters still fits');
}

# stdin that nobody reads
{
	my $record = run_agent('vibe', [ $sim, 'ok' ], run => { prompt => 'x' x 3000000 });
	is($record->{outcome}, 'done', 'an agent that never reads its stdin does not block');
	$record = run_agent('plain', [ '/bin/sh', '-c', 'exec <&-; echo fine' ], run => { prompt => 'x' x 3000000 });
	is($record->{outcome}, 'done', 'an agent that closes its stdin does not fail');
	$record = run_agent('plain', [ '/usr/bin/wc', '-c' ], run => { prompt => 'x' x 3000000 });
	is($record->{result}{summary}, 3000000, 'an agent that reads gets all of it');
}

# secrets
{
	my $key = 'sk-test-0123456789-abcdef';
	my $token = 'a1b2c3d4' x 8;
	my $run = new_run(runner => {
			argv => [ '/usr/bin/perl', '-e', <<'E' ], secret_env => [ { name => 'API_KEY', file => 'KEYFILE' } ] });
$| = 1;
my $key = $ENV{API_KEY};
open my $in, '<', $ENV{VIBE_TOKEN_FILE}; my $token = <$in>;
print "a $key b $token c\n";
for (split //, "split $key end\n") { syswrite STDOUT, $_; select undef, undef, undef, 0.003 }
print "sk-test-01 partial\n";
print STDERR "err $key\n";
print length($key), "\n";
print 'x' x 65530, $key, "\n";
E
	spew("$run->{base}/key", "$key\n");
	chmod 0600, "$run->{base}/key";
	spew("$run->{dir}/launch", slurp("$run->{dir}/launch") =~ s/KEYFILE/$run->{base}\/key/r);
	my $record = run_shim($run);
	my $out = slurp("$run->{dir}/stdout.0");
	like($out, qr/^a \[masked\] b \[masked\] c$/m, 'key and token are masked');
	like($out, qr/^split \[masked\] end$/m, 'also when they come byte by byte');
	like($out, qr/^sk-test-01 partial$/m, 'the beginning of a key alone is no secret');
	like($out, qr/^25$/m, 'the agent itself has the key, without its newline');
	is($record->{stderr_tail}, "err [masked]\n", 'stderr is masked as well');
	unlike(join('', map { slurp($_) } glob "$run->{dir}/{exit,std*,input.json}"), qr/\Q$key\E|\Q$token\E/,
		'no secret in any file that is kept');
}
{
	my $run = new_run(runner => { secret_env => [ { name => 'API_KEY', file => 'KEYFILE' } ] });
	spew("$run->{base}/key", 'secret-value');
	chmod 0644, "$run->{base}/key";
	spew("$run->{dir}/launch", slurp("$run->{dir}/launch") =~ s/KEYFILE/$run->{base}\/key/r);
	my $record = run_shim($run);
	is($record->{outcome}, 'exec_error', 'a secret that others can read is not used');
	like($record->{error}, qr/open to others/, 'and that is said');
}

done_testing();
