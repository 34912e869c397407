# The kinds claude, codex, gemini and opencode: how each program is called, and
# that a campaign gets its text, usage, cost and session from what it prints.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../perl";
use Cwd qw(abs_path);
use PostgreSQL::Test::Utils;
use Test::More;
use VibeNode;

my @kinds = qw(claude codex gemini opencode);
my $node = new_vibe_node('cli', start => 0);
my $base = $node->basedir;
my $sim = abs_path("$FindBin::Bin/../agents/vibe-agent-sim");
my $fixtures = abs_path("$FindBin::Bin/../fixtures/agent-cli");

write_runners($node, join "\n",
	map { "[$_]\nkind = $_\nprogram = $base/agents/$_\nargs = --extra \"two words\"\nlimits = timeout=60 grace=1\n" } @kinds);
foreach my $kind (@kinds)
{
	write_agent($node, $kind, <<"EOA");
cat > "\$BASE/$kind.stdin"
for word in "\$@"; do echo "\$word"; done > "\$BASE/$kind.args"
if [ -e "\$BASE/$kind.hang" ]; then mv "\$BASE/$kind.hang" "\$BASE/$kind.hung"; exec sleep 600; fi
exec $sim replay=$fixtures/$kind/success
EOA
}
$node->start;
$node->safe_psql('postgres', 'CREATE DATABASE vo');
create_vibe($node, @kinds);

sub args_of
{
	my ($kind) = @_;
	return join ' ', map { s/[0-9a-f]{8}-[0-9a-f-]{27}/UUID/r } split /\n/, slurp_file("$base/$kind.args");
}

is($node->safe_psql('vo', "SELECT string_agg(kind, ' ' ORDER BY kind) FROM vibe.runners()"), "@kinds", 'vibe.runners() knows the kinds');

# one step each
my $campaign = create_work($node, 'first', 1, @kinds);
ok(wait_for($node, "SELECT status = 'completed' FROM vibe.campaigns WHERE id = $campaign"), 'the campaign is completed');
my %expected = (
	claude   => '-p --output-format stream-json --verbose --session-id UUID --extra two words',
	codex    => 'exec --json --skip-git-repo-check --extra two words -',
	gemini   => '--output-format stream-json --skip-trust --session-id UUID --extra two words',
	opencode => 'run --format json --extra two words',
);
is(args_of($_), $expected{$_}, "$_: built-in words, then the runner's own") for @kinds;
like(slurp_file("$base/$_.stdin"), qr/^(?!\{).*first/s, "$_: prompt as text on stdin") for @kinds;
is( $node->safe_psql('vo', "SELECT agent_name, outcome, summary, output ->> 'text' = summary, input_tokens, cache_read_tokens, output_tokens, cost_usd FROM vibe.runs ORDER BY step"),
	join("\n", map { "$_|done|At dawn the harbour smells of rope and warm bread.|t|21|9200|37|" . (/claude|opencode/ ? '0.01012800' : '') } @kinds),
	'text, usage and cost are stored');
is( $node->safe_psql('vo', "SELECT session_id FROM vibe.runs WHERE agent_name = 'opencode'"),
	'ses_df9e6e418ffeYeOuvxI2SoLTjE', 'and the session that the program named');
my ($file) = glob "$base/site/projects/site/campaigns/first/drafts/*.md";
is(slurp_file($file), "At dawn the harbour smells of rope and warm bread.\n", 'the text is published');

# a model, a budget
$node->safe_psql('vo', "UPDATE vibe.agents SET default_model = 'm/x'");
$campaign = $node->safe_psql('vo', <<'EOS');
DO $$BEGIN PERFORM vibe.create_campaign((SELECT min(id) FROM vibe.projects), 'second', 'second',
    pipeline_slug => 'first', target_article_count => 1);
    PERFORM vibe.set_budget((SELECT id FROM vibe.campaigns WHERE slug = 'second'), 2.5, per => 'run'); END$$;
SELECT campaign_id FROM vibe.activate_campaign((SELECT id FROM vibe.campaigns WHERE slug = 'second'));
EOS
ok(wait_for($node, "SELECT status = 'completed' FROM vibe.campaigns WHERE id = $campaign"), 'a campaign with models and a budget');
%expected = (
	claude   => '-p --output-format stream-json --verbose --session-id UUID --model m/x --max-budget-usd 2.5 --extra two words',
	codex    => 'exec --json --skip-git-repo-check --model m/x --extra two words -',
	gemini   => '--output-format stream-json --skip-trust --session-id UUID --model m/x --extra two words',
	opencode => 'run --format json --model m/x --extra two words',
);
is(args_of($_), $expected{$_}, "$_: with a model") for @kinds;

# the model that Claude changes to by itself
sub with_fallback_model
{
	my ($slug, $model) = @_;
	write_runners($node, slurp_file("$base/etc/runners.conf") =~ s/^fallback_model.*\n//mr =~ s/^(kind = claude)$/$1\nfallback_model = $model/mr);
	$node->reload;
	my $id = create_work($node, $slug, 1, 'claude');
	ok(wait_for($node, "SELECT status = 'completed' FROM vibe.campaigns WHERE id = $id"), "$slug: completed");
	return args_of('claude');
}
is(with_fallback_model('overload', 'm/y'), '-p --output-format stream-json --verbose --session-id UUID --model m/x --fallback-model m/y --extra two words',
	'claude: a fallback_model without a fallback is an option of its own');
is(with_fallback_model('same', 'm/x'), '-p --output-format stream-json --verbose --session-id UUID --model m/x --extra two words',
	'claude: which is left out where it is the model anyway');

# a run that is lost goes on with its session, where the program can know it
sub lose
{
	my ($kind, $slug) = @_;
	append_to_file("$base/$kind.hang", '');
	my $id = create_work($node, $slug, 1, $kind);
	wait_for_file("$base/$kind.hung");
	wait_for($node, "SELECT count(*) = 1 FROM vibe.runs WHERE campaign_id = $id AND pid IS NOT NULL");
	kill 'KILL', $node->safe_psql('vo', "SELECT pid FROM vibe.runs WHERE campaign_id = $id");
	ok(wait_for($node, "SELECT status = 'completed' FROM vibe.campaigns WHERE id = $id"), "$slug: goes on after the loss");
	return $node->safe_psql('vo', "SELECT session_id FROM vibe.runs WHERE campaign_id = $id AND outcome = 'lost'");
}
my $session = lose('claude', 'lost-claude');
like(slurp_file("$base/claude.args"), qr/^--resume\n\Q$session\E$/m, 'claude: session of the lost run is resumed');
unlike(slurp_file("$base/claude.args"), qr/^--session-id$/m, 'claude: and no new one is named');
$session = lose('gemini', 'lost-gemini');
like(slurp_file("$base/gemini.args"), qr/^--resume\n\Q$session\E$/m, 'gemini: session of the lost run is resumed');
lose('codex', 'lost-codex');
unlike(slurp_file("$base/codex.args"), qr/^resume$/m, 'codex: a session that it never named is not resumed');
lose('opencode', 'lost-opencode');
unlike(slurp_file("$base/opencode.args"), qr/^--session$/m, 'opencode: nor there');

# once they have named their own
sub go_on
{
	my ($kind, $slug, $own) = @_;
	append_to_file("$base/$kind.hang", '');
	unlink "$base/$kind.hung";
	my $id = create_work($node, $slug, 1, $kind);
	wait_for_file("$base/$kind.hung");
	wait_for($node, "SELECT count(*) = 1 FROM vibe.runs WHERE campaign_id = $id AND pid IS NOT NULL");
	$node->safe_psql('vo', "UPDATE vibe.runs SET session_id = '$own' WHERE campaign_id = $id");
	kill 'KILL', $node->safe_psql('vo', "SELECT pid FROM vibe.runs WHERE campaign_id = $id");
	wait_for($node, "SELECT status = 'completed' FROM vibe.campaigns WHERE id = $id");
	return args_of($kind);
}
is( go_on('codex', 'own-codex', '01a20612-c3a7-77e0-898f-bb10ced21b84'),
	'exec --json --skip-git-repo-check --model m/x --extra two words resume UUID -', 'codex: its own session is resumed');
is( go_on('opencode', 'own-opencode', 'ses_df9e6e418ffeYeOuvxI2SoLTjE'),
	'run --format json --model m/x --session ses_df9e6e418ffeYeOuvxI2SoLTjE --extra two words', 'opencode: too');
unlike(go_on('opencode', 'odd-opencode', 'ses_x;--yolo'), qr/--session|yolo/, 'a session that looks like anything else is not');

is_deeply([ log_lines($node, 'ERROR|FATAL|PANIC|WARNING') ], [], 'nothing unexpected in the log');
$node->stop;
done_testing();
