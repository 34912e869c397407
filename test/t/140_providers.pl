# A provider that turns runs away is paused, and its tasks lose nothing.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../perl";
use PostgreSQL::Test::Utils;
use Test::More;
use VibeNode;

my $node = new_vibe_node('providers', start => 0);
my $base = $node->basedir;

write_runners($node, <<"EOR");
[demo]
kind     = plain
program  = $base/agents/demo
args     = --model {model}
provider = anthropic
fallback = spare
fallback_model = small/one

[spare]
kind         = plain
program      = $base/agents/spare
args         = --model {model}
provider     = openai
max_parallel = 1
EOR
write_agent($node, 'demo', <<'EOA');
test -e "$BASE/key" || exit 77
echo "with the key: $* $VIBE_MODEL"
EOA
write_agent($node, 'spare', <<'EOA');
while test ! -e "$BASE/go"; do sleep 0.05; done
echo "standing in: $* $VIBE_MODEL"
EOA
$node->start;
$node->safe_psql('postgres', 'CREATE DATABASE vo');
create_vibe($node, 'demo');

is($node->safe_psql('vo', 'SELECT name, provider, fallback, fallback_model FROM vibe.runners() ORDER BY name'),
	"demo|anthropic|spare|small/one\nspare|openai||", 'runners() tells provider, fallback and its model');
$node->safe_psql('vo', "SELECT vibe.register_agent('demo', default_model => 'big')");
$node->safe_psql('vo', "SELECT vibe.set_provider_limit('anthropic', 1)");
my $campaign = create_work($node, 'first', 4);

# refused credentials: the provider waits for a person, the other runner stands in
ok(wait_for($node, "SELECT paused_until = 'infinity' FROM vibe.list_providers() WHERE name = 'anthropic'"),
	'refused credentials pause the provider');
ok(wait_for($node, "SELECT count(*) = 1 FROM vibe.runs WHERE runner = 'spare' AND pid IS NOT NULL AND ended_at IS NULL"),
	'the fallback works meanwhile, within its own limit');
is($node->safe_psql('vo', "SELECT count(*) FROM vibe.runs WHERE outcome = 'auth'"), '1', 'one run found out for all');
is($node->safe_psql('vo', "SELECT count(*) FROM vibe.work WHERE attempts > 0 OR state = 'waiting'"), '0',
	'no task is blocked, no attempt used');

# one that waits, which the stand-in would do next
my $explain = 'SELECT e.runner, e.provider, e.argv[2:] FROM vibe.work w, vibe.explain_run(w.task_id) e WHERE w.run_id IS NULL LIMIT 1';
is($node->safe_psql('vo', $explain), 'spare|openai|{--model,small/one}', 'explain_run() tells who would stand in, and with which model');
touch_file("$base/key");
touch_file("$base/go");
$node->safe_psql('vo', "SELECT vibe.resume_provider('anthropic')");
ok(wait_for($node, "SELECT status = 'completed' FROM vibe.campaigns WHERE id = $campaign"), 'resumed, it goes on');
is($node->safe_psql('vo', "SELECT max(attempt) FROM vibe.runs"), '1', 'each task with its first attempt');
is($node->safe_psql('vo', "SELECT DISTINCT runner, model, output_tail FROM vibe.runs WHERE outcome = 'done' ORDER BY 1"),
	"demo|big|with the key: --model big big\n\nspare|small/one|standing in: --model small/one small/one\n", 'and with the model of the runner that did it');

# a program that cannot be started says nothing of its provider
write_runners($node, "[demo]\nkind = plain\nprogram = $base/agents/missing\nprovider = anthropic\n");
$node->reload;
$campaign = create_work($node, 'missing', 1);
ok(wait_for($node, "SELECT count(*) > 0 FROM vibe.runs WHERE campaign_id = $campaign AND outcome = 'exec_error'"), 'a program that is missing');
is($node->safe_psql('vo', 'SELECT count(*) FROM vibe.list_providers() WHERE paused_until IS NOT NULL'), '0', 'pauses no provider');
$node->safe_psql('vo', "SELECT vibe.cancel_campaign($campaign)");

# a file whose fallbacks make no sense is refused as a whole
foreach my $bad (
	[ 'no such runner' => 'provider = p', 'fallback = nobody', qr/fallback "nobody" of runner "demo" is no runner/ ],
	[ 'without a provider' => '', 'fallback = spare', qr/has a fallback but no provider/ ],
	[ 'the same provider' => 'provider = openai', 'fallback = spare', qr/has the same provider/ ],
	[ 'a bad name' => 'provider = "a b"', '', qr/provider must be a name/ ])
{
	my ($what, $provider, $fallback, $expected) = @$bad;
	write_runners($node, "[demo]\nkind = plain\nprogram = /bin/true\n$provider\n$fallback\n"
		. "[spare]\nkind = plain\nprogram = /bin/true\nprovider = openai\n");
	my ($rc, $out, $err) = $node->psql('vo', 'SELECT * FROM vibe.runners()');
	like($err, $expected, "refused: $what");
}

$node->stop;
done_testing();
