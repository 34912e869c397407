# explain_run() shows what a run is then started with.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../perl";
use JSON::PP;
use PostgreSQL::Test::Utils;
use Test::More;
use VibeNode;

my $node = new_vibe_node('explain', start => 0);
my $base = $node->basedir;

write_runners($node, <<"EOR");
[demo]
kind       = plain
program    = $base/agents/demo
args       = "two words" --model {model} --session {session} --budget {budget}
env        = COLOUR=blue
pass_env   = VIBETEST_PASSED VIBETEST_ABSENT
secret_env = KEY:$base/etc/key
provider   = one
limits     = idle=77 grace=2

[other]
kind    = plain
program = $base/agents/other
prefix  = /usr/bin/env -u PAGER $base/agents/sudo -n -u nosuchuser --
EOR
append_to_file("$base/etc/key", "sesame-open\n");
chmod 0600, "$base/etc/key";
write_agent($node, 'demo', <<'EOA');
env | sed -n 's/^\([A-Z_]*\)=.*/\1/p' | grep -vxE 'PWD|SHLVL|OLDPWD|_' | LC_ALL=C sort > "$BASE/real.env"
for word in "$0" "$@"; do echo "$word"; done > "$BASE/real.argv"
pwd > "$BASE/real.cwd"
cat > "$BASE/real.stdin"
EOA
$ENV{VIBETEST_PASSED} = 'yes';
$node->start;
$node->safe_psql('postgres', 'CREATE DATABASE vo');
create_vibe($node, 'demo', 'other');
$node->safe_psql('vo', "SELECT vibe.register_agent('demo', default_model => 'small')");
my $campaign = create_work($node, 'shown', 1, 'demo', 'other');
ok(wait_for($node, "SELECT count(*) > 0 FROM vibe.runs WHERE outcome = 'done'"), 'a run was made');

# the same step again, explained before it runs a second time
$node->safe_psql('vo', "SELECT vibe.pause_campaign($campaign, stop_running => true)");
$node->safe_psql('vo', 'SELECT vibe.request_revision(1, $$shorter, "please"; $(id)$$, target_step => 1)');
my $explained = decode_json($node->safe_psql('vo', 'SELECT to_jsonb(e) FROM vibe.explain_run(1) e'));
is_deeply([ @$explained{qw(step agent runner provider problem)} ], [ 1, 'demo', 'demo', 'one', undef ], 'step, agent, runner and provider');
is($explained->{os_user}, getpwuid($>), 'the user it runs as');
is($node->safe_psql('vo', 'SELECT count(*) FROM vibe.runs WHERE ended_at IS NULL'), 0, 'nothing was started for it');
unlike(encode_json($explained), qr/sesame|blue/, 'no value of a variable is shown');

unlink glob("$base/real.*");
$node->safe_psql('vo', "SELECT vibe.resume_campaign($campaign)");
ok(wait_until(sub { -s "$base/real.stdin" }, 'the run'), 'then it runs');
my $session = $node->safe_psql('vo', 'SELECT session_id FROM vibe.runs WHERE step = 1 ORDER BY id DESC LIMIT 1');
my @argv = map { $_ eq '00000000-0000-0000-0000-000000000000' ? $session : $_ } @{ $explained->{argv} };
is_deeply(\@argv, [ split /\n/, slurp_file("$base/real.argv") ], 'with that command line');
my $uuid = qr/^[0-9a-f]{8}-[0-9a-f-]{27}$/;
is_deeply($explained->{environment}, [ split /\n/, slurp_file("$base/real.env") ], 'these variables');
is($explained->{cwd} . "\n", slurp_file("$base/real.cwd"), 'in that directory');
is($explained->{prompt}, slurp_file("$base/real.stdin"), 'and that prompt');
like($explained->{prompt}, qr/shorter, "please"; \$\(id\)/, 'which has the notes as they are');
my ($launch) = glob(run_directory($node) . '/*/' . $node->safe_psql('vo', 'SELECT max(id) FROM vibe.runs WHERE step = 1') . '/launch');
is_deeply($explained->{limits}, decode_json(slurp_file($launch))->{runner}{limits}, 'within these limits');

# free text is text: no option, no command
my $evil = qq{"; touch $base/pwned; # \$(touch $base/pwned) `touch $base/pwned`};
unlink glob("$base/real.*");
$node->safe_psql('vo', <<"EOS");
SELECT vibe.register_agent('demo', prompt_template => '--dangerously-skip-permissions --version {title}');
SELECT vibe.create_task(1, \$t\$$evil\$t\$, pipeline_slug => 'shown');
EOS
ok(wait_until(sub { -s "$base/real.stdin" }, 'the run'), 'a task with a title and an agent with a prompt that are meant to do harm');
is(slurp_file("$base/real.stdin"), "--dangerously-skip-permissions --version $evil", 'the agent is told them as they are');
is_deeply([ map { s/$uuid/session/r } split /\n/, slurp_file("$base/real.argv") ], [ map { s/$uuid/session/r } @argv ], 'its command line is what it was');
ok(!-e "$base/pwned", 'and no command of them was run');

# a value that could be more than a value has no place in a command line, wherever it came from
foreach my $model ('x --add-dir /', '--yolo', "a\nb", '', 'x' x 10_000)
{
	my $told = encode_json({ run_id => '1', task_id => 1, agent => 'demo', model => $model });
	is($node->safe_psql('vo', "SELECT record IS NULL, problem FROM vibe._explain_launch(\$r\$$told\$r\$, 'demo')"),
		't|value of {model} is not acceptable as an argument', 'no command line with the model ' . substr($model, 0, 20) =~ s/\n/\\n/r);
}

# what cannot run is explained all the same
$node->safe_psql('vo', "SELECT vibe.pause_campaign($campaign)");
wait_for($node, "SELECT count(*) = 0 FROM vibe.runs WHERE ended_at IS NULL");
$node->safe_psql('vo', 'SELECT vibe.cancel_task(1)');
$explained = decode_json($node->safe_psql('vo', 'SELECT to_jsonb(e) FROM vibe.explain_run(1) e'));
like($explained->{prompt}, qr/^You are/, 'a task that has ended shows its last step');
is($node->safe_psql('vo', "SELECT found, executable, problem LIKE '%agents/other\" is not a file that is there%' FROM vibe.runners() WHERE name = 'other'"),
	'f|f|t', 'runners() knows a program that is missing');
is($node->safe_psql('vo', "SELECT found, executable, os_user = '" . getpwuid($>) . "', problem IS NULL FROM vibe.runners() WHERE name = 'demo'"),
	't|t|t|t', 'and one that is there');
my $lost = create_work($node, 'missing', 1, 'other');
my $task = $node->safe_psql('vo', "SELECT id FROM vibe.tasks WHERE campaign_id = $lost");
like($node->safe_psql('vo', "SELECT problem FROM vibe.explain_run($task)"), qr/is not a file that is there; there is no user "nosuchuser"/, 'and so does explain_run()');
unlink "$base/etc/runners.conf";
like($node->safe_psql('vo', "SELECT problem, prompt FROM vibe.explain_run($task)"), qr/runner file.*You are/s, 'no runner file: the prompt is shown');
my ($status, $out, $err) = $node->psql('vo', "SET ROLE vibe_viewer; SELECT * FROM vibe.explain_run($task)");
like($err, qr/permission denied/, 'for operators, not for viewers');
foreach my $case ([ '-1', 'VB003' ], [ "$task, 'Hero Image'", 'VB007' ], [ "$task, NULL", 'VB007' ])
{
	($status, $out, $err) = $node->psql('vo', "\\set VERBOSITY verbose\nSELECT * FROM vibe.explain_run($case->[0])");
	like($err, qr/ERROR:  $case->[1]/, "explain_run($case->[0]) is $case->[1]");
}
$node->stop;
done_testing();
