# Kind vibe: what the agent says, and what it had better not be believed.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";

use Test::More;
use VibeShim;

my $sim = "$agents/vibe-agent-sim";

sub said
{
	my (@lines) = @_;
	return run_agent('vibe', [ $sim, map { "line=$_" } @lines ]);
}
sub result_line { return '{"vibe":"result",' . $_[0] . '}' }

my $record = run_agent('vibe', [$sim]);
is($record->{outcome}, 'bad_result', 'exit 0 without a result is no success');
like($record->{error}, qr/without a result/, 'and says so');

$record = said(result_line('"status":"done","summary":"s","output":{"a":[1]},"score":82.5,"target_step":2,"notes":"n","output_path":"nowhere.md"'));
is($record->{outcome}, 'done', 'a result line is a success');
is_deeply($record->{result},
	{ summary => 's', output => { a => [1] }, score => 82.5, target_step => 2, notes => 'n', output_path => 'nowhere.md' },
	'with all its fields');
ok(!$record->{staged}, 'an output file that is not there is not staged');
like($record->{error}, qr/nowhere\.md.*No such file/, 'and that is said');

is(run_agent('vibe', [ $sim, "result=$_" ])->{outcome}, $_, "status $_") for qw(revise blocked failed);
is(run_agent('vibe', [ $sim, 'text=' . result_line('"status":"done"') ])->{outcome}, 'done',
	'the last line needs no newline');
is(run_agent('vibe', [ $sim, 'text={"vibe":"result","status":"do' ])->{outcome}, 'bad_result',
	'half a line is no result');
is(run_agent('vibe', [ $sim, 'ok', 'exit=1' ])->{outcome}, 'failed', 'a result does not excuse an exit code');
is(run_agent('vibe', [ $sim, 'result=failed', 'exit=1' ])->{error}, 'status failed', 'a failed result explains an exit code');

# several results
$record = said(result_line('"status":"done","summary":"one"'), result_line('"status":"done","summary":"two"'));
is($record->{result}{summary}, 'two', 'the last of two results counts');
$record = said(result_line('"status":"done","summary":"one"'), result_line('"status":"perhaps"'), '{"vibe":"result"');
is($record->{result}{summary}, 'one', 'the last valid one, that is');
$record = said(result_line('"status":"done","summary":"own"'), result_line('"run_id":"999999","status":"done","summary":"forged"'));
is($record->{result}{summary}, 'own', 'a result of another run is ignored');
is(said(result_line('"run_id":999999,"status":"done"'))->{outcome}, 'bad_result', 'also when it is the only one');
{
	my $run = new_run(runner => { kind => 'vibe', argv => [ '/bin/sh', '-c',
				'echo "{\"vibe\":\"result\",\"run_id\":\"$VIBE_RUN_ID\",\"status\":\"done\"}"' ] });
	is(run_shim($run)->{outcome}, 'done', 'a result that names its own run is taken');
}

# not messages
$record = said('plain words', '[1,2]', '"vibe"', '{"vibe":"dance"}', '{"vibe":7}', '{"type":"result","vibe":null}',
	'{"vibe":"progress","pct":50,"note":"half"}', result_line('"status":"done"'));
is($record->{outcome}, 'done', 'unknown lines are log');

# values that cannot be
$record = said('{"vibe":"usage","input_tokens":100,"output_tokens":20,"cache_read_tokens":5,"cost_usd":0.25,"model":"m1"}',
	'{"vibe":"usage","input_tokens":-5,"output_tokens":1e300,"cost_usd":-1}',
	'{"vibe":"usage","input_tokens":99999999999999999999,"cost_usd":0.3}',
	'{"vibe":"usage","cost_usd":1e308}', '{"vibe":"usage","cost_usd":1e400}', '{"vibe":"usage","cost_usd":NaN}',
	'{"vibe":"usage","input_tokens":"7","cost_usd":"9"}',
	'{"vibe":"usage","input_tokens":150,"output_tokens":30,"cost_usd":0.4,"model":"m2"}', result_line('"status":"done"'));
is_deeply($record->{usage},
	{ input_tokens => 150, output_tokens => 30, cache_read_tokens => 5, cache_write_tokens => 0, cost_usd => 0.4, model => 'm2' },
	'usage is cumulative, and impossible values are left out');
is(said(result_line('"status":"done"'))->{usage}, undef, 'no usage is not zero usage');
is(said(result_line(qq("status":"done","score":$_)))->{result}{score}, undef, "score $_ is left out") for '-1', '1e300', '"high"', 'true';
is(said(result_line('"status":"done","target_step":-3'))->{result}{target_step}, undef, 'negative step is left out');
is(said(result_line('"status":"done","score":NaN'))->{outcome}, 'bad_result', 'NaN is not JSON');
is(said(result_line('"status":"done","summary":"a\u0000b"'))->{outcome}, 'bad_result', '\u0000 is refused');
is(said(result_line('"status":"done","output":[1]'))->{outcome}, 'bad_result', 'output has to be an object');
is(run_agent('vibe', [ $sim, "deep=$_->[0]" ])->{outcome}, $_->[1], "$_->[0] levels: $_->[1]")
  for [ 80, 'done' ], [ 95, 'bad_result' ], [ 10000, 'bad_result' ], [ 100000, 'bad_result' ];
$record = run_agent('vibe', [ '/usr/bin/perl', '-e',
		'print q({"vibe":"result","status":"done","output":{"x":"), "z" x 1100000, qq("}}\n)' ]);
is($record->{outcome}, 'bad_result', 'a line over 1 MiB is cut, so it is no result');
{
	my ($big, $run) = run_agent('vibe', [ '/usr/bin/perl', '-e',
			'print q({"vibe":"result","status":"done","output":{"x":"), "\xC3\xA9" x 500000, qq("}}\n)' ]);
	is($big->{outcome}, 'bad_result', 'a result too large for the record is refused');
	like($big->{error}, qr/too large/, 'and says so');
	cmp_ok(-s "$run->{dir}/exit", '<', 2 * 1048576, 'the record keeps its limit');
}

# session, artifacts
$record = said('{"vibe":"session","id":"abc-1"}', '{"vibe":"artifact","path":"x/y.md","kind":"draft"}',
	'{"vibe":"artifact","path":""}', '{"vibe":"artifact"}', result_line('"status":"done"'));
is($record->{session}, 'abc-1', 'session is kept');
is_deeply($record->{artifacts}, [ { path => 'x/y.md', kind => 'draft' } ], 'artifacts are kept');
$record = run_agent('vibe', [ $sim, 'usage=7,8,0.5', 'exit=1' ]);
is($record->{usage}{cost_usd}, 0.5, 'a failed run tells its usage, too');

# the file
my $file = 'file={"status":"done","summary":"from the file"}';
is(run_agent('vibe', [ $sim, $file ])->{result}{summary}, 'from the file', 'the file is a result');
is(run_agent('vibe', [ $sim, 'ok=stdout', $file, 'ok=later' ])->{result}{summary}, 'from the file', 'the file wins over stdout');
is(run_agent('vibe', [ $sim, 'ok=stdout', 'file={"status":' ])->{result}{summary}, 'stdout', 'a broken file does not');
is(run_agent('vibe', [ $sim, 'file={"run_id":"9","status":"done"}' ])->{outcome}, 'bad_result', 'a file of another run is ignored');

sub result_by
{
	my ($shell) = @_;
	return run_agent('vibe', [ '/bin/sh', '-c', $shell ]);
}
for my $case ([ link => 'echo \'{"status":"done"}\' > x; ln -s "$PWD/x" "$VIBE_RESULT"' ],
	[ shadow => 'ln -s /etc/shadow "$VIBE_RESULT"' ],
	[ fifo => 'mkfifo "$VIBE_RESULT"' ],
	[ directory => 'mkdir "$VIBE_RESULT"' ],
	[ large => 'head -c 2000000 /dev/zero > "$VIBE_RESULT"' ],
	[ garbage => 'head -c 1000 /dev/urandom > "$VIBE_RESULT"' ])
{
	my $refused = result_by($case->[1]);
	is($refused->{outcome}, 'bad_result', "result file is a $case->[0]: refused without hanging");
	like($refused->{error}, qr/VIBE_RESULT|valid result/, "result file is a $case->[0]: says why");
}

# the output file
my $done = 'echo \'{"vibe":"result","status":"done"';
sub staged
{
	my ($shell) = @_;
	my ($got, $run) = run_agent('vibe', [ '/bin/sh', '-c', $shell ]);
	return ($got, slurp("$run->{dir}/publish"), $run);
}
{
	my ($got, $text) = staged(qq(echo text > "\$VIBE_OUTPUT_FILE"; $done}'));
	ok($got->{staged}, 'the file at VIBE_OUTPUT_FILE is staged');
	is($text, "text\n", '... as it is');
	is($got->{result}{output_path}, 'drafts/how-to-x.md', '... and named relative to the workspace');
	($got, $text) = staged(qq(echo one > one; echo two > two; echo '{"vibe":"artifact","path":"one"}'; $done,"output_path":"two"}'));
	is($text, "two\n", 'output_path of the result comes first');
	($got, $text) = staged(qq(echo one > one; echo text > "\$VIBE_OUTPUT_FILE"; echo '{"vibe":"artifact","path":"one"}'; $done}'));
	is($text, "one\n", 'then the first artifact');
	($got, $text) = staged(q(mkdir d; echo x > d/f; echo "{\"vibe\":\"result\",\"status\":\"done\",\"output_path\":\"$PWD/d/f\"}"));
	is($text, "x\n", 'an absolute path in the workspace is taken');
	is($got->{result}{output_path}, 'd/f', '... and made relative');
	($got, $text) = staged(qq(echo text > "\$VIBE_OUTPUT_FILE"; exit 1));
	ok(!$got->{staged} && !defined $text, 'a failed run stages nothing');
	($got) = run_agent('plain', [ $sim, 'output' ]);
	ok($got->{staged}, 'plain runs stage VIBE_OUTPUT_FILE, too');
	is($got->{result}{output_path}, 'drafts/how-to-x.md', '... and name it');
}
for my $case ([ 'link' => 'ln -s /etc/passwd f', 'f' ],
	[ 'link of a directory' => 'ln -s /etc d', 'd/passwd' ],
	[ 'dots' => 'true', '../../../../../../etc/passwd' ],
	[ 'dots inside' => 'mkdir d; echo x > x', 'd/../x' ],
	[ 'absolute path' => 'true', '/etc/passwd' ],
	[ 'fifo' => 'mkfifo f', 'f' ],
	[ 'directory' => 'mkdir d', 'd' ],
	[ 'large file' => 'truncate -s 17M f', 'f' ],
	[ 'own device' => 'ln -s /dev/zero f', 'f' ])
{
	my ($got, $text) = staged(qq($case->[1]; $done,"output_path":"$case->[2]"}'));
	ok(!$got->{staged} && !defined $text, "output is a $case->[0]: not staged");
	is($got->{outcome}, 'done', "output is a $case->[0]: the work is done nevertheless");
	like($got->{error}, qr/output file/, "output is a $case->[0]: says why");
}
{
	my $run = new_run(runner => { kind => 'vibe', argv => [ $sim, 'ok' ] });
	mkdir "$run->{base}/elsewhere";
	File::Path::make_path($run->{workspace});
	symlink "$run->{base}/elsewhere", "$run->{workspace}/drafts";
	is(run_shim($run)->{outcome}, 'exec_error', 'an output directory that is a link is refused');
}

done_testing();
