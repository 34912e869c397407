# A provider that names the time when its limit is over: until then nothing of it starts, not even after a restart,
# and within five seconds after it everything does that was turned away, with the attempts it had.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../perl";
use PostgreSQL::Test::Utils;
use Test::More;
use VibeNode;

my $tasks = 12;
my $node = new_vibe_node('reset', start => 0, conf => "vibe_orchestrator.max_runs = 20\n");
my $base = $node->basedir;

write_runners($node, "[demo]\nkind = claude\nprogram = $base/agents/demo\nprovider = anthropic\n");
# what Claude Code prints over its limit; afterwards one that takes its time, so that none shows the others that it works
write_agent($node, 'demo', <<'EOA');
reset=$(cat "$BASE/reset")
if [ "$(date +%s)" -lt "$reset" ]; then
	echo "{\"type\":\"rate_limit_event\",\"rate_limit_info\":{\"status\":\"rejected\",\"resetsAt\":$reset}}"
	echo '{"type":"result","subtype":"success","is_error":true,"api_error_status":429,"result":"You have hit your limit"}'
	exit 1
fi
while [ ! -e "$BASE/go" ]; do sleep 0.1; done
echo '{"type":"result","subtype":"success","is_error":false,"result":"done"}'
EOA
$node->start;
$node->safe_psql('postgres', 'CREATE DATABASE vo');
create_vibe($node);

my $reset = time + 7;
append_to_file("$base/reset", "$reset\n");
my $campaign = create_work($node, 'parked', $tasks);
ok(wait_for($node, "SELECT count(*) FILTER (WHERE ended_at IS NULL) = 0 AND count(*) > 0 FROM vibe.runs"), 'the provider turns them away');
my $refused = $node->safe_psql('vo', 'SELECT max(id) FROM vibe.runs');
is($node->safe_psql('vo', "SELECT string_agg(DISTINCT outcome, ' ') FROM vibe.runs"), 'rate_limited', 'which is no failure');
is($node->safe_psql('vo', "SELECT p.paused_until >= to_timestamp($reset) AND p.paused_until < to_timestamp($reset + 1) FROM vibe.list_providers() p"), 't',
	'it is paused until the time that it told, with a little jitter');
$node->restart;
cmp_ok(time, '<', $reset, 'the server is restarted meanwhile');

ok(wait_for($node, "SELECT count(*) = $tasks FROM vibe.runs WHERE id > $refused AND pid IS NOT NULL AND ended_at IS NULL"), 'then all of them work');
is($node->safe_psql('vo', "SELECT count(*) FROM vibe.runs WHERE id > $refused AND claimed_at < to_timestamp($reset)"), '0', 'nothing has started before that time');
my $late = $node->safe_psql('vo', "SELECT round(extract(epoch FROM max(started_at)) - $reset, 1) FROM vibe.runs WHERE id > $refused");
cmp_ok($late, '<', 5, "all of it has within five seconds after it ($late s)");
is($node->safe_psql('vo', "SELECT count(*) FROM vibe.runs a, vibe.runs b WHERE a.id > $refused AND b.id > a.id AND b.claimed_at < a.claimed_at + interval '3 seconds'
	AND a.id = (SELECT min(id) FROM vibe.runs WHERE id > $refused)"), '0', 'one of them first, and the others three seconds after it');
is($node->safe_psql('vo', "SELECT max(attempt) || ' ' || (SELECT max(attempts) FROM vibe.work) FROM vibe.runs"), '1 0', 'no attempt was used up');
touch_file("$base/go");
ok(wait_for($node, "SELECT status = 'completed' FROM vibe.campaigns WHERE id = $campaign"), 'and all of it gets done');
is($node->safe_psql('vo', 'SELECT paused_until IS NULL FROM vibe.list_providers()'), 't', 'which ends the pause');

$node->stop;
done_testing();
