# Heartbeats are runs as any other: supervised, adopted, cancelled, put away; only they have no task.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../perl";
use PostgreSQL::Test::Utils;
use Test::More;
use VibeNode;

my $node = new_vibe_node('heartbeat', conf => "vibe_orchestrator.max_runs = 2\n");
my $base = $node->basedir;

write_agent($node, 'demo', <<'EOA');
echo "$VIBE_AGENT ${VIBE_TASK_ID-unset} $PWD" >> "$BASE/starts"
cat > "$BASE/prompt"
while [ ! -e "$BASE/go" ]; do sleep 0.1; done
rm "$BASE/go"
[ ! -e "$BASE/die" ] || kill -9 $$
EOA
create_vibe($node);

sub chores { return $node->safe_psql('vo', 'SELECT count(*) FROM vibe.chores') }
sub last_outcome { return $node->safe_psql('vo', 'SELECT outcome FROM vibe.runs ORDER BY id DESC LIMIT 1') }

# Ask for one and wait until it runs; its number of starts so far.
sub begin
{
	my $starts = count_lines("$base/starts");
	$node->safe_psql('vo', "SELECT vibe.request_heartbeat('demo', 'number $starts')");
	wait_until(sub { count_lines("$base/starts") == $starts + 1 }, 'start');
	wait_for($node, 'SELECT count(*) = 1 FROM vibe.runs WHERE ended_at IS NULL AND pid IS NOT NULL');
	return $starts + 1;
}

sub end
{
	touch_file("$base/go");
	return wait_for($node, 'SELECT NOT EXISTS (SELECT 1 FROM vibe.runs WHERE ended_at IS NULL)');
}

begin();
my $workspace = run_directory($node) . '/workspaces/agent-demo/main';
is(slurp_file("$base/starts"), "demo unset $workspace\n", 'it has a workspace of its agent and no task');
like(slurp_file("$base/prompt"), qr/This is a heartbeat.*Note for this run: number 0/s, 'and is told what it is');
is($node->safe_psql('vo', "SELECT requested FROM vibe.request_heartbeat('demo')"), 'f', 'there is one at a time');
ok(end(), 'it ends');
is(last_outcome() . chores(), 'done0', 'and is over');
ok(wait_until(sub { count_files(run_directory($node) . '/done/*') == 1 }, 'put away'), 'its files are put away');

# the dispatcher dies meanwhile
foreach my $death (['terminated', sub { $node->safe_psql('postgres', "SELECT pg_terminate_backend($_[0])") }],
	['killed', sub { kill 'KILL', $_[0]; wait_until_gone($_[0]); wait_ready($node) }])
{
	my $starts = begin();
	my $before = dispatcher_pid($node);
	$death->[1]->($before);
	wait_for($node, "SELECT state = 'running' AND pid <> $before AND running = 1 FROM vibe.dispatcher_status() WHERE database = 'vo'");
	ok(end(), "$death->[0]: the next dispatcher sees its end");
	is(last_outcome() . chores() . (count_lines("$base/starts") - $starts), 'done00', 'of the same run');
}

# it crashes
touch_file("$base/die");
begin();
end();
is(last_outcome() . chores(), 'killed0', 'a crash ends it');
is($node->safe_psql('vo', "SELECT count(*) FROM vibe.activities WHERE kind = 'heartbeat_failed'"), 1, 'and is recorded');
unlink "$base/die";

# its supervisor dies
begin();
my $shim = $node->safe_psql('vo', 'SELECT pid FROM vibe.runs WHERE ended_at IS NULL');
kill 'KILL', $shim;
ok(wait_for($node, 'SELECT NOT EXISTS (SELECT 1 FROM vibe.runs WHERE ended_at IS NULL)'), 'a killed supervisor is noticed');
is(last_outcome() . chores(), 'lost0', 'that heartbeat is lost');

# a person cancels it
begin();
$shim = $node->safe_psql('vo', 'SELECT pid FROM vibe.runs WHERE ended_at IS NULL');
$node->safe_psql('vo', 'SELECT vibe.cancel_run(id) FROM vibe.runs WHERE ended_at IS NULL');
ok(wait_for($node, 'SELECT NOT EXISTS (SELECT 1 FROM vibe.runs WHERE ended_at IS NULL)'), 'a cancelled one ends');
ok(wait_until_gone($shim), 'with its process');
is(last_outcome() . chores(), 'cancelled0', 'and is over');

# beside it, tasks go on
begin();
my $campaign = create_work($node, 'beside', 1);
wait_for($node, "SELECT count(*) = 2 FROM vibe.now");
is($node->safe_psql('vo', "SELECT string_agg(step, ' ' ORDER BY step) FROM vibe.now"), 'Step 1 heartbeat', 'a task runs beside it');
touch_file("$base/go");
wait_until(sub { !-e "$base/go" }, 'one end');
end();
ok(wait_for($node, "SELECT status = 'completed' FROM vibe.campaigns WHERE id = $campaign"), 'and is done');

# a program that is not there
$node->safe_psql('vo', "SELECT vibe.register_agent('nowhere', runner => 'demo')");
write_runners($node, "[demo]\nkind = plain\nprogram = $base/agents/nothing\n");
$node->reload;
$node->safe_psql('vo', "SELECT vibe.request_heartbeat('nowhere')");
ok(wait_for($node, "SELECT outcome = 'exec_error' FROM vibe.runs WHERE agent_name = 'nowhere'"), 'what cannot be started');
is(chores(), 0, 'is over as well');

$node->stop;
done_testing();
