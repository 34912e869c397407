# A write with a token that is not valid any more, or never was, changes nothing and leaves a line in the server's
# log: who tried it, for which run. A repeated completion is no such case. Of the token itself neither the log nor
# an error has a word; the statement is not logged here, because only its writer decides what stands in it.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../perl";
use PostgreSQL::Test::Utils;
use Test::More;
use VibeNode;

my $node = new_vibe_node('tokens', conf => "vibe_orchestrator.databases = ''\nlog_statement = none\nlog_min_error_statement = panic\n");
$node->safe_psql('vo', <<'EOQ');
CREATE EXTENSION vibe_orchestrator;
SELECT vibe.register_agent('a');
SELECT vibe.create_project('p', 'P');
SELECT vibe.create_pipeline('p', 'P', '{"main_steps": [{"agent": "a", "label": "one"}, {"agent": "a", "label": "two"}]}');
SELECT vibe.create_campaign(1, 'c', 'C', pipeline_slug => 'p', target_article_count => 2);
SELECT vibe.activate_campaign(1);
CREATE ROLE agent_a LOGIN;
CREATE ROLE agent_b LOGIN;
GRANT vibe_agent TO agent_a, agent_b;
EOQ

my ($run, $token) = split /\|/,
  $node->safe_psql('vo', "SELECT run_id, lock_token FROM vibe.acquire_lock(1, 'a')");
my $refused = 'refused a write with a token that is not valid';
my $lines   = 0;
my @errors;

# The call fails with VB011, and there is one more line that says so.
sub refuses
{
	my ($call, $what, @login) = @_;
	my ($status, $out, $err) =
	  $node->psql('vo', "\\set VERBOSITY verbose\nSELECT vibe.$call", extra_params => [ map { ('-U', $_) } @login ]);

	like($err, qr/ERROR:  VB011/, $what);
	push @errors, $err;
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

# Somebody else's login with a token that it has come by.
$node->safe_psql('vo', 'SELECT vibe.cancel_task(1)');
$line = refuses("complete_step(1, 'a', '$token')", 'a replay by another login', 'agent_b');
like($line, qr/role agent_b, /, 'whom the log names');
my ($next, $held) = split /\|/,
  $node->safe_psql('vo', "SELECT run_id, lock_token FROM vibe.acquire_lock(2, 'a')");
refuses("fail_step($next, '$token')", 'the token of another run', 'agent_b');
refuses("get_run_input($run, '$held')", 'or the run of another token', 'agent_a');
(undef, undef, my $wrong) = $node->psql('vo', "SELECT vibe.complete_step(2, 'b', '$held')", extra_params => [ '-U', 'agent_a' ]);
push @errors, $wrong =~ s/^LINE.*//rms;
is($node->safe_psql('vo', "SELECT task_status FROM vibe.complete_step(2, 'a', '$held')", extra_params => [ '-U', 'agent_a' ]),
	'backlog', 'none of which did harm to the run that holds it');
foreach my $secret ($token, $held)
{
	is(scalar(grep { /$secret/ } @errors), 0, 'no error has the token');
	unlike(slurp_file($node->logfile), qr/$secret/, 'nor has the log');
}
$node->stop;
done_testing();
