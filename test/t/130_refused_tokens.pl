# A write with a token that is not valid any more, or never was, changes nothing and leaves a line in the server's
# log: who tried it, for which run. A repeated completion is no such case.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../perl";
use PostgreSQL::Test::Utils;
use Test::More;
use VibeNode;

my $node = new_vibe_node('tokens', conf => "vibe_orchestrator.databases = ''\n");
$node->safe_psql('vo', <<'EOQ');
CREATE EXTENSION vibe_orchestrator;
SELECT vibe.register_agent('a');
SELECT vibe.create_project('p', 'P');
SELECT vibe.create_pipeline('p', 'P', '{"main_steps": [{"agent": "a", "label": "one"}, {"agent": "a", "label": "two"}]}');
SELECT vibe.create_campaign(1, 'c', 'C', pipeline_slug => 'p', target_article_count => 2);
SELECT vibe.activate_campaign(1);
EOQ

my ($run, $token) = split /\|/,
  $node->safe_psql('vo', "SELECT run_id, lock_token FROM vibe.acquire_lock(1, 'a')");
my $refused = 'refused a write with a token that is not valid';
my $lines   = 0;

# The call fails with VB011, and there is one more line that says so.
sub refuses
{
	my ($call, $what) = @_;
	my ($status, $out, $err) = $node->psql('vo', "\\set VERBOSITY sqlstate\nSELECT vibe.$call");

	like($err, qr/VB011/, $what);
	is(scalar(my @found = log_lines($node, $refused)), ++$lines, 'one line in the log');
	return $found[-1];
}

my $line = refuses("complete_step(2, 'a', '$token')", 'the token of another task');
like(
	$line,
	qr/run unknown, role \w+, The token belongs to no run of task 2/,
	'which says what was tried');
unlike($line, qr/$token/, 'but not the token');
refuses("renew_lock($run, 'guess')", 'a guess');
$node->safe_psql('vo', "SELECT vibe.complete_step(1, 'a', '$token')");
$node->safe_psql('vo', "SELECT vibe.complete_step(1, 'a', '$token')");
is(scalar(my @found = log_lines($node, $refused)), $lines, 'a repeated completion is not refused');
$node->safe_psql('vo', "SELECT vibe.request_revision(1, 'again')");
$line = refuses("complete_step(1, 'a', '$token')", 'unless a revision replaced its result');
like($line, qr/run $run, /, 'the log names the run');
$node->stop;
done_testing();
