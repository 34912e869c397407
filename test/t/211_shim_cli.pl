# The command-line agents beyond what was recorded: files at VIBE_RESULT, output
# files, hanging, waiting, and odd lines.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";

use JSON::PP;
use Test::More;
use Time::HiRes qw(time);
use VibeShim;

sanitized_shim();

my $sim = "$agents/vibe-agent-sim";
my $json = JSON::PP->new->canonical->allow_nonref;

# Lines as the programs print them.
sub claude_result
{
	my (%with) = @_;
	return $json->encode({ type => 'result', subtype => 'success', is_error => JSON::PP::false, result => 'the text', %with });
}
sub opencode
{
	my ($type, %part) = @_;
	return $json->encode({ type => $type, sessionID => 'ses_1', part => \%part });
}
sub said
{
	my ($kind, @lines) = @_;
	return run_agent($kind, [ $sim, map { "line=$_" } @lines ]);
}
sub shell
{
	my ($kind, $script, %with) = @_;
	return run_agent($kind, [ '/bin/sh', '-c', $script ], %with);
}

my @done = (
	[ claude   => claude_result() ],
	[ codex    => '{"type":"item.completed","item":{"type":"agent_message","text":"the text"}}', '{"type":"turn.completed"}' ],
	[ gemini   => '{"type":"message","role":"assistant","content":"the text"}', '{"type":"result","status":"success"}' ],
	[ opencode => opencode('text', text => 'the text'), opencode('step_finish', reason => 'stop') ],
);
for my $case (@done)
{
	my ($kind, @lines) = @$case;
	my ($record, $run) = said($kind, 'noise', '{', '{"type":7}', '{"type":"brand.new"}', '[1]', '{"type":"result"', @lines);
	is($record->{outcome}, 'done', "$kind: what is not known is passed over")
	  or diag($record->{error});
	is_deeply($record->{result},
		{ summary => 'the text', output => { text => 'the text' }, score => undef, target_step => undef, notes => undef,
			output_path => 'drafts/how-to-x.md' }, "$kind: the text is the result");
	is(slurp("$run->{dir}/publish"), "the text\n", "$kind: and is staged");
	is(slurp("$run->{workspace}/drafts/how-to-x.md"), "the text\n", "$kind: in the file where the next step looks for it");

	is(said($kind, 'noise')->{outcome}, 'bad_result', "$kind: exit 0 without a result is no success");
	is(run_agent($kind, [ $sim, (map { "line=$_" } @lines), 'exit=1' ])->{outcome}, 'failed', "$kind: nor is a result with another exit code");
	is(run_agent($kind, [ $sim, (map { "line=$_" } @lines), 'signal=KILL' ])->{outcome}, 'killed', "$kind: nor one with a signal");
	my $started = time;
	$record = run_agent($kind, [ $sim, (map { "line=$_" } @lines), 'hang' ]);
	is($record->{outcome}, 'done', "$kind: a result, then a hang: done");
	cmp_ok(time - $started, '<', 20, "$kind: after the time to linger");

	$record = run_agent($kind, [ $sim, 'file={"status":"revise","target_step":2,"notes":"prices","score":40}', map { "line=$_" } @lines ]);
	is($record->{outcome}, 'revise', "$kind: the file at VIBE_RESULT wins");
	is_deeply([ @{ $record->{result} }{qw(target_step notes score summary)} ], [ 2, 'prices', 40, 'the text' ], "$kind: with its fields");
	is(run_agent($kind, [ $sim, 'file={"status":"blocked","notes":"ask"}' ])->{outcome}, 'blocked', "$kind: also without any other result");
	is(run_agent($kind, [ $sim, 'file={"status":', map { "line=$_" } @lines ])->{outcome}, 'done', "$kind: a broken one does not");
	is(run_agent($kind, [ $sim, 'read' ], run => { prompt => "--version \x{201c}x\x{201d}" })->{stdout_tail}, "--version \x{201c}x\x{201d}",
		"$kind: the prompt is text on stdin");
}

# the output file
{
	my $write = 'printf %s\\\\n \'' . claude_result() . '\'';
	my (undef, $run) = shell('claude', "echo own > \"\$VIBE_OUTPUT_FILE\"; $write");
	is(slurp("$run->{dir}/publish"), "own\n", 'a file that the agent wrote stays');
	(undef, $run) = shell('claude', 'echo 2 > other; echo \'{"status":"done","output_path":"other"}\' > "$VIBE_RESULT"; ' . $write);
	is(slurp("$run->{dir}/publish"), "2\n", 'and one that it names comes first');

	# the workspace is kept: an attempt after another
	my $first = new_run(runner => { kind => 'claude', argv => [ $sim, 'line=' . claude_result(result => 'one') ] });
	run_shim($first);
	my $again = sub {
		my ($text) = @_;
		my $second = new_run(runner => { kind => 'claude', argv => [ $sim, 'line=' . claude_result(result => $text) ] },
			top => { workspace => $first->{workspace} });
		run_shim($second);
		return slurp("$second->{dir}/publish");
	};
	is($again->('two'), "two\n", 'the text of an earlier attempt is replaced');
	spew("$first->{workspace}/drafts/how-to-x.md", "by hand\n");
	is($again->('It is done already.'), "by hand\n", 'a file that an earlier attempt wrote is not');
	unlink "$first->{workspace}/drafts/how-to-x.md";
	symlink '/etc/passwd', "$first->{workspace}/drafts/how-to-x.md";
	is($again->('three'), undef, 'nothing is written through a link');
}

# behind a prefix
{
	my $run = new_run(runner => { kind => 'claude', argv => [ $sim, 'line=' . claude_result() ],
			prefix => ['/usr/bin/env'], workspace_root => 'ROOT' });
	spew("$run->{dir}/launch", slurp("$run->{dir}/launch") =~ s/"ROOT"/"$run->{base}\/agents"/r);
	my $record = run_shim($run);
	is($record->{outcome}, 'done', 'behind a prefix');
	is(slurp("$run->{dir}/publish"), "the text\n", 'the text is staged there, too');
	is(slurp((glob "$run->{base}/agents/workspaces/45/main/drafts/*")[0]), "the text\n", 'from the workspace');
}

# odd text
{
	my $record = said('claude', '{"type":"result","is_error":false,"result":"a\u0000b\ud83dc\ud83d\ude00d\\\\u0000e"}');
	is($record->{result}{summary}, "a\x{FFFD}b\x{FFFD}c\x{1F600}d\\u0000e", 'what JSON can say and a database cannot keep is replaced');
	$record = said('claude', claude_result(result => 'x' x 20000));
	is(length $record->{result}{summary}, 10000, 'summary is cut');
	is(length $record->{result}{output}{text}, 20000, 'output is not');
	my $run;
	($record, $run) = run_agent('claude', [ '/usr/bin/perl', '-e',
			'print q({"type":"result","is_error":false,"result":"), "\xC3\xA9" x 400000, qq("}\n)' ]);
	is($record->{outcome}, 'done', 'a text too large for the record is done');
	ok($record->{result}{output}{truncated} && length $record->{result}{output}{text} > 100000, 'a part of it is stored');
	is(length slurp("$run->{dir}/publish"), 800001, 'all of it is staged');
	is(said('claude', claude_result(is_error => undef))->{outcome}, 'failed', 'is_error has to be false');
	is(said('claude', claude_result(result => undef))->{outcome}, 'failed', 'and there has to be a text');
}

# why it failed
{
	my $record = run_agent('claude', [ $sim, 'line=' . claude_result(is_error => JSON::PP::true, api_error_status => 429, result => 'slow down'),
			'error=stack', 'exit=1' ]);
	is($record->{outcome}, 'rate_limited', 'claude: 429');
	ok($record->{pauses_provider}, 'claude: 429 is about the provider');
	is($record->{error}, 'slow down', 'what the program said is the reason, not its stderr');
	$record = run_agent('claude', [ $sim, 'line=' . claude_result(is_error => JSON::PP::true, api_error_status => 529), 'exit=1' ]);
	is($record->{retry_after_s}, 60, 'claude: 529 passes soon');
	$record = run_agent('claude', [ $sim, 'line={"type":"assistant","error":"billing_error"}',
			'line=' . claude_result(is_error => JSON::PP::true, api_error_status => 400), 'exit=1' ]);
	is($record->{outcome}, 'auth', 'claude: an empty account');
	ok(run_agent('claude', [ $sim, 'line=' . claude_result(is_error => JSON::PP::true, api_error_status => 400), 'exit=1' ])->{permanent},
		'claude: 400 will not get better');
	$record = run_agent('opencode', [ $sim, 'line={"type":"error","sessionID":"ses_1","error":{"name":"APIError","data":{"message":"m","statusCode":429,"responseHeaders":{"Retry-After":"12.5"}}}}',
			'exit=1' ]);
	is($record->{outcome}, 'rate_limited', 'opencode: 429');
	is($record->{retry_after_s}, 12.5, 'opencode: with the time that the provider told');
	$record = said('opencode', opencode('text', text => 'half'), opencode('step_finish', reason => 'length'));
	is($record->{outcome}, 'failed', 'opencode: a text that was cut off is no result');
	$record = said('opencode', opencode('text', text => 'first'), opencode('tool_use', tool => 'bash'), opencode('step_finish', reason => 'stop'));
	is($record->{outcome}, 'bad_result', 'opencode: nor one before the last tool');
	$record = run_agent('codex', [ $sim, 'line={"type":"turn.failed","error":{"message":"You have hit your usage limit. Try again at Nov 25th, 2026 10:00 AM."}}', 'exit=1' ]);
	is($record->{outcome}, 'rate_limited', 'codex: usage limit');
	$record = run_agent('codex', [ $sim, 'line={"type":"turn.failed","error":{"message":"usage limit, try again at Nov 25th, 2026 10:00 AM."}}', 'exit=1' ]);
	is($record->{resets_at}, 1795600800, 'codex: with the time in its text');
	is(run_agent('gemini', [ $sim, "exit=$_->[0]" ])->{outcome}, $_->[1], "gemini: exit code $_->[0] is $_->[1]")
	  for [ 41, 'auth' ], [ 145, 'auth' ], [ 173, 'rate_limited' ], [ 143, 'failed' ], [ 247, 'failed' ];
}

# what we end ourselves
{
	my $usage = '{"type":"assistant","message":{"id":"m1","usage":{"input_tokens":5,"output_tokens":1}}}';
	my $record = run_agent('claude', [ $sim, "line=$usage", "line=$usage", 'hang' ], limits => { idle => 1 });
	is($record->{outcome}, 'timeout_idle', 'silence ends a run');
	is($record->{usage}{input_tokens}, 5, 'what it had used until then is told, and counted once');
	$record = shell('claude', q(echo '{"status":"done","summary":"s"}' > "$VIBE_RESULT"; sleep 2; ) . "echo '$usage'; exec sleep 100",
		limits => { linger => 0.5, idle => 3 });
	is($record->{outcome}, 'done', 'a result file, then silence: done');
	is($record->{usage}{input_tokens}, 5, 'but the program has more to say after the file than the time to linger');
	my $wait = '{"type":"error","message":"Reconnecting... waiting for network"}';
	$record = shell('codex', "while :; do echo '$wait'; sleep 0.2; done", limits => { idle => 2, timeout => 20 });
	is($record->{outcome}, 'timeout_idle', 'so does waiting aloud');
	my $step = "printf '%s\\n' '" . opencode('text', text => 'a') . "' '" . opencode('step_finish', reason => 'stop') . "'";
	$record = shell('opencode', "$step; echo '" . opencode('step_start') . "'; sleep 3; " . $step =~ s/"a"/"b"/r, limits => { linger => 1 });
	is($record->{outcome}, 'done', 'work that is taken up again is not ended for lingering');
	is($record->{result}{summary}, 'b', 'and its last text is the result');
	$record = run_agent('claude', [ $sim, 'file={"status":"done"}', 'line=' . claude_result(is_error => JSON::PP::true, api_error_status => 401), 'hang' ]);
	is($record->{outcome}, 'auth', 'a failure, then a hang: the failure, whatever the file says');
	my $run = new_run(runner => { kind => 'claude', argv => [ $sim, "line=$usage", 'hang' ] });
	start_shim($run);
	wait_until(sub { (slurp("$run->{dir}/stdout.0") // '') =~ /m1/ });
	kill 'TERM', $run->{pid};
	wait_shim($run);
	is(exit_record($run)->{outcome}, 'cancelled', 'a request to end is the cause');
	is(exit_record($run)->{usage}{input_tokens}, 5, 'and the usage is told');
}

done_testing();
