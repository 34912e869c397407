# A run from its launch record to the agent's first instruction: who may start
# it, what the agent inherits, and what stands in the run directory.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";

use Encode ();
use JSON::PP;
use POSIX ();
use Test::More;
use VibeShim;

my $sim = "$agents/vibe-agent-sim";

like(`$shim --version`, qr/^vibe_shim \S+ protocol 1$/, 'version names the protocol');
is(system("$shim run relative 2>/dev/null") >> 8, 2, 'a relative directory is a usage error');
is(system("$shim nonsense 2>/dev/null") >> 8, 2, 'an unknown command is a usage error');
is(system("$shim run /nonexistent/x 2>/dev/null"), 0, 'a missing directory still ends with 0');

# what the agent is given
{
	local $ENV{LEAK} = 'x';
	my $run = new_run(runner => {
			kind => 'plain', argv => [ $sim, 'state' ],
			pass_env => [ 'HTTPS_PROXY', 'PGPASSWORD', 'ABSENT' ],
			env => { PGSERVICE => 'svc', VIBE_RUN_ID => 'forged' },
		}, limits => { nofile => 777, nice => 3 });
	my $record = run_shim($run, HTTPS_PROXY => 'http://proxy', PGPASSWORD => 'pw', OTHER => 'no');
	my $text = $record->{result}{output}{text};
	my %env = $text =~ /^ENV (\w+)=(.*)$/mg;
	is_deeply([ sort keys %env ], [ sort qw(
				PATH HOME USER LOGNAME LANG TZ TMPDIR TERM NO_COLOR CI VIBE_CONTRACT
				VIBE_RUN_ID VIBE_TASK_ID VIBE_STEP VIBE_BRANCH VIBE_AGENT VIBE_MODEL
				VIBE_ATTEMPT VIBE_CAMPAIGN VIBE_SKILL_PATH VIBE_RUN_DIR VIBE_WORKSPACE
				VIBE_OUTPUT_DIR VIBE_OUTPUT_FILE VIBE_SLUG VIBE_INPUT VIBE_RESULT
				VIBE_TOKEN_FILE VIBE_DEADLINE VIBE_BUDGET_USD VIBE_SESSION TRACEPARENT
				HTTPS_PROXY PGSERVICE) ], 'environment is exactly the contract and what the runner names');
	is($env{VIBE_RUN_ID}, $run->{id}, 'a runner cannot replace VIBE_ variables');
	is($env{HTTPS_PROXY}, 'http://proxy', 'pass_env comes from the environment of the shim');
	is($env{VIBE_OUTPUT_FILE}, "$run->{workspace}/drafts/how-to-x.md", 'output file is named');
	my @fds = $text =~ /^FD (\d+)/mg;
	is("@fds", '0 1 2', 'descriptors 0, 1 and 2 only');
	like($text, qr/^STATUS SigBlk:\s+0+$/m, 'no signal is blocked');
	# perl itself ignores SIGFPE; 32 and 33 are the C library's own, which posix_spawn() leaves ignored
	like($text, qr/^STATUS SigIgn:\s+0+(?:1800000)?80$/m, 'no signal is ignored');
	like($text, qr/^STATUS Umask:\s+0027$/m, 'umask is 027');
	like($text, qr/^STATUS NoNewPrivs:\s+1$/m, 'no program gives it new privileges');
	like($text, qr/^STATUS CapAmb:\s+0+$/m, 'no capability is handed on');
	like($text, qr/^OOM 500$/m, 'agent dies before the server when memory is short');
	like($text, qr/^LIMIT Max open files\s+777\s+777/m, 'open files are limited');
	like($text, qr/^LIMIT Max core file size\s+0\s+0/m, 'no core files');
	like($text, qr/^CWD \Q$run->{workspace}\E$/m, 'agent starts in its workspace');
	like($text, qr/^SESSION leader$/m, 'agent has a session of its own');
	like($text, qr/^NICE 3$/m, 'agent is nice');
	is((stat $run->{workspace})[2] & 07777, 0700, 'workspace is private');
	ok(!-s "$run->{dir}/token", 'token is wiped after the run');
	my $started = decode_json(slurp("$run->{dir}/started"));
	is($started->{pid}, $run->{pid}, 'started names the pid of the shim');
	like($started->{boot_id}, qr/^[0-9a-f-]{36}$/, '... and the boot');
	like($started->{pid_ns}, qr/^pid:\[\d+\]$/, '... and the pid namespace');
	cmp_ok($started->{pid_start}, '>', 0, '... and the start time');
	is_deeply([ glob "$run->{dir}/meta.*" ], [], 'no meta file stays');
}

# who dies first when memory is short
{
	my $run = new_run(runner => { kind => 'vibe', argv => [ $sim, 'line=ready', 'hang' ] });
	start_shim($run);
	wait_until(sub { (slurp("$run->{dir}/stdout.0") // '') =~ /ready/ });
	my ($agent) = marked_processes($run);
	is(slurp("/proc/$run->{pid}/oom_score_adj"), "0\n", 'a shim is no more protected than any process');
	is(slurp("/proc/$agent/oom_score_adj"), "500\n", 'its agent is less');
	kill 'TERM', $run->{pid};
	wait_shim($run);
}
SKIP:
{
	my $protected = eval { spew('/proc/self/oom_score_adj', "-600\n"); 1 } && slurp('/proc/self/oom_score_adj') == -600;
	skip 'needs root', 2 if !$protected;
	my $run = new_run(runner => { kind => 'vibe', argv => [ $sim, 'line=ready', 'hang' ] });
	start_shim($run);
	spew('/proc/self/oom_score_adj', "0\n");
	wait_until(sub { (slurp("$run->{dir}/stdout.0") // '') =~ /ready/ });
	my ($agent) = marked_processes($run);
	is(slurp("/proc/$run->{pid}/oom_score_adj"), "0\n", "a server's protection is not a shim's");
	is(slurp("/proc/$agent/oom_score_adj"), "500\n", "... nor its agent's");
	kill 'TERM', $run->{pid};
	wait_shim($run);
}

# stdin
{
	my $prompt = "--version \$(id) `id` \x{201c}quoted\x{201d}\n";
	my $record = run_agent('plain', [ $sim, 'read' ], run => { prompt => $prompt });
	is($record->{result}{output}{text}, $prompt, 'plain: prompt arrives on stdin as it is');

	my ($vibe, $run) = run_agent('vibe', [ $sim, 'read' ],
		run => { prompt => $prompt, inputs => [ { step => 1 } ], budget_usd => 1.5 });
	my $input = decode_json(Encode::encode_utf8($vibe->{stdout_tail}));
	is($input->{prompt}, $prompt, 'vibe: prompt stands in one JSON object');
	is_deeply([ sort keys %$input ], [ sort qw(contract kind run_id task_id step attempt prompt inputs
				revision_notes limits resume_session) ], 'vibe: with the keys of the contract');
	is($input->{limits}{budget_usd}, 1.5, 'vibe: limits are told');
	my ($notifier) = run_agent('vibe', [ $sim, 'read' ], run => { kind => 'notify', messages => [ { id => '7' } ] });
	is_deeply(decode_json($notifier->{stdout_tail})->{messages}, [ { id => '7' } ], 'vibe: a notifier gets its messages');
	is_deeply(decode_json(slurp("$run->{dir}/input.json")), $input, 'VIBE_INPUT holds the same object');
}

# arbitration
{
	my $run = new_run(runner => { argv => [ $sim, 'write=trace' ] });
	spew("$run->{dir}/abandoned", '{}');
	link "$run->{dir}/abandoned", "$run->{dir}/started" or die;
	start_shim($run);
	is(wait_shim($run), 0, 'a shim that lost the run ends with 0');
	is_deeply([ sort map { s{.*/}{}r } glob "$run->{dir}/*" ], [qw(abandoned launch started)],
		'... and leaves no trace');
	ok(!-e "$run->{workspace}/trace", '... and starts no agent');
}
{
	my $run = new_run(runner => { argv => [ $sim, 'hang' ] });
	my @pids = map { start_shim($run) } 1 .. 8;
	ok(wait_until(sub { -e "$run->{dir}/started" && marked_processes($run) }), 'one of eight shims takes the run');
	my $owner = decode_json(slurp("$run->{dir}/started"))->{pid};
	for my $pid (grep { $_ != $owner } @pids)
	{
		$run->{pid} = $pid;
		wait_shim($run);
	}
	is(scalar(marked_processes($run)), 1, 'there is exactly one agent');
	$run->{pid} = $owner;
	kill 'TERM', $owner;
	wait_shim($run);
	is(exit_record($run)->{outcome}, 'cancelled', 'and the winner reports it');
}

# launch records that cannot be used
sub refused
{
	my ($name, $error, $prepare, %with) = @_;
	my $run = new_run(%with);
	$prepare->($run) if $prepare;
	my $record = run_shim($run);
	is($record->{outcome}, 'exec_error', "$name: exec_error");
	like($record->{error}, $error, "$name: says why");
	is($record->{run_id}, $run->{id}, "$name: names the run");
	return;
}
refused('missing', qr/No such file/, sub { unlink "$_[0]{dir}/launch" });
refused('link', qr/cannot open/, sub {
		rename "$_[0]{dir}/launch", "$_[0]{dir}/l"; symlink 'l', "$_[0]{dir}/launch" });
refused('fifo', qr/not a regular file/, sub {
		unlink "$_[0]{dir}/launch"; POSIX::mkfifo("$_[0]{dir}/launch", 0600) });
refused('not JSON', qr/cannot be read/, undef, raw => '{"protocol":1');
refused('deep JSON', qr/deeper/, undef, raw => '[' x 100000);
refused('empty', qr/./, undef, raw => '');
refused('too large', qr/16 MiB/, sub { truncate "$_[0]{dir}/launch", 17 * 1024 * 1024 });
refused('protocol', qr/protocol/, undef, top => { protocol => 2 });
refused('kind', qr/kind/, undef, runner => { kind => 'other' });
refused('relative program', qr/absolute/, undef, runner => { argv => ['sh'] });
refused('same user', qr/allow_same_user/, undef, runner => { allow_same_user => JSON::PP::false });
SKIP:
{
	skip 'needs root', 3 if $>;
	refused('owner', qr/own user/, sub { chown 1, 1, "$_[0]{dir}/launch" });
}

# programs that cannot be run
for my $case ([ 'missing program', '/nonexistent/agent', qr/No such file or directory/ ],
	[ 'directory', '/tmp', qr/Permission denied/ ])
{
	my $record = run_agent('plain', [ $case->[1] ]);
	is($record->{outcome}, 'exec_error', "$case->[0]: exec_error");
	like($record->{error}, $case->[2], "$case->[0]: with the reason");
}
{
	my $run = new_run(runner => { argv => ['replaced'] });
	my $text = "$run->{base}/text";
	spew($text, "just words\n");
	chmod 0755, $text;
	spew("$run->{dir}/launch", slurp("$run->{dir}/launch") =~ s/replaced/$text/r);
	my $record = run_shim($run);
	is($record->{outcome}, 'exec_error', 'text file: exec_error');
	like($record->{error}, qr/Exec format error/, 'text file: with the reason');
}

done_testing();
