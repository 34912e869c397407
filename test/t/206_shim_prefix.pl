# Agents behind a prefix: the same run, another process, perhaps another user.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";

use JSON::PP;
use Test::More;
use Time::HiRes qw(time);
use VibeShim;

my $sim = "$agents/vibe-agent-sim";

# The ways to have an agent behind a prefix: [name, prefix, user id].
my @ways = ([ env => ['/usr/bin/env'], $> ]);
{
	my $uid = getpwnam('nobody');
	my $works = !$> && $uid && -x '/usr/bin/sudo'
	  && system("/usr/bin/sudo -n -u nobody -- $shim --version >/dev/null 2>&1") == 0
	  && system("/usr/bin/sudo -n -u nobody -- test -x $sim") == 0;
	push @ways, [ sudo => [qw(/usr/bin/sudo -n -u nobody --)], $uid ] if $works;
	note('sudo to another user cannot be tried here') unless $works;
}

# A runner behind a prefix, with a directory that its user may write to.
sub prefixed
{
	my ($way, %with) = @_;
	my $run = new_run(%with,
		runner => { kind => 'vibe', prefix => $way->[1], %{ $with{runner} // {} }, workspace_root => 'ROOT' });
	my $root = "$run->{base}/agents";
	mkdir $root;
	chown $way->[2], -1, $root;
	chmod 0755, $run->{base};
	spew("$run->{dir}/launch", slurp("$run->{dir}/launch") =~ s/"ROOT"/"$root"/r);
	$run->{root} = $root;
	return $run;
}

# The inner shims that this test started (it is the only one to use this shim's path as "inner").
sub inner_shims
{
	return map { m{/proc/(\d+)/} ? $1 : () }
	  grep { (slurp($_) // '') =~ /\Q$shim\E\0inner\0/ } glob '/proc/[0-9]*/cmdline';
}

for my $way (@ways)
{
	my ($name, $prefix, $uid) = @$way;
	my $run = prefixed($way, runner => {
			argv => [ $sim, 'state', 'error=on stderr', 'usage=1,2,0.5', 'output', 'ok=fine' ],
			allow_same_user => $uid == $> ? JSON::PP::true : JSON::PP::false });
	my $record = run_shim($run);
	is($record->{outcome}, 'done', "$name: a run behind a prefix");
	is($record->{result}{summary}, 'fine', "$name: result arrives");
	is($record->{usage}{cost_usd}, 0.5, "$name: usage arrives");
	is($record->{stderr_tail}, "on stderr\n", "$name: stderr arrives");
	ok($record->{staged}, "$name: the output file is fetched");
	is(slurp("$run->{dir}/publish"), "# Article\n", "$name: ... as it is");
	is((stat "$run->{dir}/publish")[4], $>, "$name: ... and belongs to the outer user");
	my $workspace = "$run->{root}/workspaces/45/main";
	like($record->{stdout_tail}, qr/^CWD \Q$workspace\E$/m, "$name: workspace is below workspace_root");
	is((stat $workspace)[4], $uid, "$name: ... and the agent's own");
	like($record->{stdout_tail}, qr/^ENV VIBE_RUN_DIR=\Q$run->{dir}\E$/m, "$name: run can be found by sweep");
	my @fds = $record->{stdout_tail} =~ /^FD (\d+)/mg;
	is("@fds", '0 1 2', "$name: descriptors 0, 1 and 2 only");
	is_deeply([ glob "$run->{root}/runs/*" ], [], "$name: token and scratch files are gone");

	my $heartbeat = prefixed($way, top => { workspace => '/elsewhere/workspaces/agent-lead/main' },
		runner => { argv => [ $sim, 'state', 'ok' ] });
	like(run_shim($heartbeat)->{stdout_tail}, qr{^CWD \Q$heartbeat->{root}\E/workspaces/agent-lead/main$}m,
		"$name: a heartbeat's workspace is its agent's");

	for my $case ([ [ 'exit=75' ], 'rate_limited' ], [ [ 'exit=78' ], 'failed' ], [ [ 'signal=SEGV' ], 'killed' ],
		[ ['line=x'], 'bad_result' ], [ ['file={"status":"revise"}'], 'revise' ],
		[ [ 'setsid_child', 'bomb=20', 'ok' ], 'done' ], [ [ 'flood=20', 'ok' ], 'done' ],
		[ [ 'ignore_term', 'ok', 'hang' ], 'done' ], [ [ 'setsid_child', 'line=x', 'hang' ], 'timeout_idle' ])
	{
		my $other = prefixed($way, runner => { argv => [ $sim, @{ $case->[0] } ] },
			limits => { linger => 0.3, grace => 0.3, idle => 1 });
		my $begin = time;
		is(run_shim($other)->{outcome}, $case->[1], "$name: @{$case->[0]}: $case->[1]");
		cmp_ok(time - $begin, '<', 6, "$name: @{$case->[0]}: in time");
		is(still_running($other), 0, "$name: @{$case->[0]}: nothing is left");
	}

	my $missing = run_shim(prefixed($way, runner => { argv => ['/nonexistent/agent'] }));
	is($missing->{outcome}, 'exec_error', "$name: missing program");
	like($missing->{error}, qr/No such file/, "$name: ... with its reason");

	my $cancelled = prefixed($way, runner => { argv => [ $sim, 'setsid_child', 'line=ready', 'hang' ] });
	start_shim($cancelled);
	wait_until(sub { (slurp("$cancelled->{dir}/stdout.0") // '') =~ /ready/ });
	kill 'TERM', $cancelled->{pid};
	wait_shim($cancelled);
	is(exit_record($cancelled)->{outcome}, 'cancelled', "$name: cancelled");
	is(still_running($cancelled), 0, "$name: ... and gone");

	# the outer shim dies: the inner one ends everything by itself
	my $dead = prefixed($way, runner => { argv => [ $sim, 'setsid_child', 'line=ready', 'hang' ] });
	start_shim($dead);
	wait_until(sub { (slurp("$dead->{dir}/stdout.0") // '') =~ /ready/ });
	cmp_ok(still_running($dead), '>', 1, "$name: agent and child are there");
	kill 'KILL', $dead->{pid};
	wait_shim($dead);
	ok(wait_until(sub { !still_running($dead) }, 10), "$name: an inner shim ends the tree when the outer one dies");
	kill_marked($dead);

	# both die: sweep goes behind the prefix, too
	my $orphan = prefixed($way, runner => { argv => [ $sim, 'setsid_child', 'line=ready', 'hang' ] }, limits => { grace => 60 });
	start_shim($orphan);
	wait_until(sub { (slurp("$orphan->{dir}/stdout.0") // '') =~ /ready/ });
	kill 'KILL', $orphan->{pid}, inner_shims();
	wait_shim($orphan);
	cmp_ok(still_running($orphan), '>', 0, "$name: dead shims end nothing");
	is(system($shim, 'sweep', $orphan->{dir}), 0, "$name: sweep ends with 0");
	is(still_running($orphan), 0, "$name: ... and everything behind the prefix");

	# a stopped inner shim is continued: by the outer one, or by the kernel when that dies
	for my $signal ('TERM', 'KILL')
	{
		my $stopped = prefixed($way, runner => { argv => [ $sim, 'setsid_child', 'line=ready', 'hang' ] }, limits => { grace => 0.3 });
		start_shim($stopped);
		wait_until(sub { (slurp("$stopped->{dir}/stdout.0") // '') =~ /ready/ });
		kill 'STOP', inner_shims();
		my $begin = time;
		kill $signal, $stopped->{pid};
		wait_shim($stopped);
		ok(wait_until(sub { !still_running($stopped) && !inner_shims() }, 10), "$name: a stopped inner shim goes on after SIG$signal to the outer one");
		cmp_ok(time - $begin, '<', 5, "$name: ... at once");
	}
}

# prefixes that do not work
sub broken
{
	my ($name, $prefix, $error, $most, %runner) = @_;
	my $run = new_run(runner => { argv => ['/bin/true'], prefix => $prefix, %runner });
	my $begin = time;
	my $record = run_shim($run);
	is($record->{outcome}, 'exec_error', "$name: exec_error");
	like($record->{error}, $error, "$name: says why");
	cmp_ok(time - $begin, '<', $most, "$name: in time");
	is(still_running($run), 0, "$name: nothing is left");
	return $record;
}
broken('missing prefix', ['/nonexistent/sudo'], qr/No such file/, 3);
my $record = broken('password', [ '/bin/sh', '-c', 'echo "sudo: a password is required" >&2; exit 1', '--' ],
	qr/password is required/, 3);
like($record->{stderr_tail}, qr/password is required/, 'password: stderr is kept');
broken('echo', ['/bin/echo'], qr/exit code 0 before|broke the protocol/, 3);
broken('same user', ['/usr/bin/env'], qr/allow_same_user/, 3, allow_same_user => JSON::PP::false);
broken('other protocol', [ '/usr/bin/perl', '-e', 'syswrite STDOUT, pack("a N/a*", "H", q({"protocol":2,"uid":1})); sleep 60' ],
	qr/protocol/, 13);
broken('no JSON', [ '/usr/bin/perl', '-e', 'syswrite STDOUT, pack("a N/a*", "H", "nonsense"); sleep 60' ], qr/JSON cannot be read/, 13);
broken('silence', [ '/bin/sleep', '600' ], qr/Invalid|invalid|exit code/i, 3);
broken('prefix that never says hello', [ '/bin/sh', '-c', 'trap "" TERM; sleep 600; :', '--' ], qr/did not answer within 20 s/, 26);

# peers that lie
my %lies = (
	'a frame without end' => 'pack("a N", "O", 4294967295)',
	'not JSON at the end' => 'pack("a N/a*", "X", "nonsense")',
	'deep JSON at the end' => 'pack("a N/a*", "X", "[" x 1000000)',
	'strange codes' => 'pack("a N/a*", "X", q({"exit_code":99999,"exit_signal":-4,"leftover":-1}))',
	'unasked file' => 'pack("a N/a*", "P", "+x") . pack("a N/a*", "X", q({"exit_code":1}))',
	'huge result' => 'pack("a N/a*", "R", "x" x 2000000) . pack("a N/a*", "X", q({"exit_code":1}))',
	'unknown frames' => 'pack("a N/a*", "?", "x") x 1000 . pack("a N/a*", "X", q({"exit_code":1}))',
	'half a frame' => 'pack("a N", "O", 1000) . "abc"',
	'output after the end' => 'pack("a N/a*", "X", q({"exit_code":1})) . pack("a N/a*", "O", "x" x 1000)',
);
for my $lie (sort keys %lies)
{
	my $run = new_run(runner => { argv => ['/bin/true'], prefix => [ '/usr/bin/perl', '-e',
				'syswrite STDOUT, pack("a N/a*", "H", q({"protocol":1,"pid":1,"uid":1})) . ' . $lies{$lie} . '; exit 0' ] });
	my $got = run_shim($run);
	like($got->{outcome} // 'none', qr/^(failed|killed|exec_error)$/, "a peer that sends $lie does no harm");
}

done_testing();
