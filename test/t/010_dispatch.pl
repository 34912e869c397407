# A campaign runs from activation to completion by itself.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../perl";
use PostgreSQL::Test::Utils;
use Test::More;
use VibeNode;

my $node = new_vibe_node('dispatch', start => 0);
my $base = $node->basedir;

write_runners($node, <<"EOR");
# a comment
[demo]
kind     = plain
program  = $base/agents/demo      # another
args     = "two words" --model {model} --session {session}
env      = COLOUR=blue
pass_env = VIBETEST_PASSED
limits   = timeout=60 grace=1 stdout=1MB

[json]
kind         = vibe
program      = $base/agents/json
max_parallel = 1

[missing]
kind    = plain
program = $base/agents/missing
EOR
write_agent($node, 'demo', <<'EOA');
env > "$BASE/demo.env"
for word in "$@"; do echo "[$word]"; done > "$BASE/demo.args"
mkdir -p "$(dirname "$VIBE_OUTPUT_FILE")"
echo "text of $VIBE_TASK_ID" > "$VIBE_OUTPUT_FILE"
echo "the last line"
EOA
write_agent($node, 'json', <<'EOA');
mkdir "$BASE/json.busy" || echo overlap >> "$BASE/overlap"
cat > "$BASE/json.stdin"
echo '{"vibe":"usage","input_tokens":12,"output_tokens":3,"cost_usd":0.25}'
rmdir "$BASE/json.busy"
echo '{"vibe":"result","status":"done","summary":"fine","output":{"n":1}}'
EOA
$ENV{VIBETEST_PASSED} = 'yes';
$ENV{VIBETEST_SECRET} = 'no';
$node->start;
$node->safe_psql('postgres', 'CREATE DATABASE vo');
create_vibe($node, 'demo', 'json', 'missing');

my $campaign = create_work($node, 'first', 3, 'demo', 'json');
ok(wait_for($node, "SELECT status = 'completed' FROM vibe.campaigns WHERE id = $campaign"),
	'the campaign is completed');
is( $node->safe_psql('vo', "SELECT step, outcome, count(*) FROM vibe.runs GROUP BY 1, 2 ORDER BY 1"),
	"1|done|3\n2|done|3", 'every task went through both steps once');
is($node->safe_psql('vo', 'SELECT sum(input_tokens), sum(cost_usd) FROM vibe.runs WHERE step = 2'),
	'36|0.75000000', 'usage was recorded');
ok(!-e "$base/overlap", 'a runner has no more runs at once than its max_parallel');
is($node->safe_psql('vo', 'SELECT count(*) FROM vibe.runs WHERE pid IS NULL AND exit_code IS NULL'),
	'0', 'every run has its process and its exit');

my $args = slurp_file("$base/demo.args");
like($args, qr/^\[two words\]\n\[--session\]\n\[[0-9a-f-]{36}\]\n$/, 'arguments are words; one without a value is left out');
my $env = slurp_file("$base/demo.env");
like($env, qr/^COLOUR=blue$/m, 'a named variable is set');
like($env, qr/^VIBETEST_PASSED=yes$/m, 'a passed variable arrives');
unlike($env, qr/VIBETEST_SECRET|PGDATA|PG_GRANDPARENT|PGHOST/, 'nothing else of the server does');
like(slurp_file("$base/json.stdin"), qr/"contract"/, 'a vibe agent is told its task on stdin');

ok(wait_until(sub { count_files(run_directory($node) . '/runs/*') == 0 }, 'empty runs/'), 'all runs are put away');
is(count_files(run_directory($node) . '/done/*'), 6, 'in done/');
is(scalar(my @files = glob("$base/site/projects/site/campaigns/first/drafts/*.md")), 3, 'the output is published');
is(sprintf('%o', (stat($files[0]))[2] & 0777), '640', 'readable by the group');

# what cannot be started ends as exec_error with its reason
$campaign = create_work($node, 'second', 1, 'missing');
ok(wait_for($node, "SELECT count(*) > 0 FROM vibe.runs WHERE campaign_id = $campaign AND outcome = 'exec_error' AND ended_at IS NOT NULL"),
	'a missing program ends the run as exec_error');
like($node->safe_psql('vo', "SELECT error FROM vibe.runs WHERE campaign_id = $campaign ORDER BY id LIMIT 1"),
	qr/No such file/, 'with its errno');
$node->safe_psql('vo', "SELECT vibe.cancel_campaign($campaign)");

# a value that could be an option never becomes an argument, however it got there
$node->safe_psql('vo', <<'EOS');
SELECT vibe.register_agent('odd', runner => 'demo');
ALTER TABLE vibe.agents DROP CONSTRAINT model_cannot_be_an_option;
UPDATE vibe.agents SET default_model = '--dangerous' WHERE name = 'odd';
EOS
my $odd = create_work($node, 'odd', 1, 'odd');
my $even = create_work($node, 'even', 1, 'demo');
ok(wait_for($node, "SELECT count(*) > 0 FROM vibe.runs WHERE campaign_id = $odd AND outcome = 'exec_error' AND error LIKE '%{model}%'"),
	'a model that looks like an option ends its run as exec_error');
ok(wait_for($node, "SELECT status = 'completed' FROM vibe.campaigns WHERE id = $even"), 'and no other');
$node->safe_psql('vo', "SELECT vibe.cancel_campaign($odd)");

# a task without campaign goes the same way
my $single = $node->safe_psql('vo', "SELECT id FROM vibe.create_task(1, 'A single one', pipeline_slug => 'first')");
ok(wait_for($node, "SELECT status = 'completed' FROM vibe.get_task($single)"), 'a task without campaign is completed');
is(slurp_file("$base/site/projects/site/campaigns/none/drafts/a-single-one.md"), "text of $single\n", 'and its output is published');

ok( wait_for($node,
		"SELECT application_name, state, backend_xmin IS NULL FROM pg_stat_activity WHERE backend_type = 'vibe dispatcher'",
		'vibe dispatcher|idle|t'),
	'the dispatcher is visible and holds nothing');
is_deeply([ log_lines($node, 'ERROR|FATAL|PANIC|WARNING|failed') ], [], 'nothing unexpected in the log');
$node->stop;
done_testing();
