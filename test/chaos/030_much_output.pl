# Agents that print very much, all at once: the dispatcher takes no part in it,
# what is kept stays within its limit, and no result is lost.
#
# CHAOS_PRINTERS (8), CHAOS_MEGABYTES (100)

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../perl";
use POSIX ();
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);
use VibeChaos;
use VibeNode;

my $printers = size_of('PRINTERS', 8);
my $megabytes = size_of('MEGABYTES', 100);
my $cap = 4 * 1024 * 1024;
my $node = new_vibe_node('output', start => 0, conf => "vibe_orchestrator.max_runs = $printers\nlog_statement = none\n");
my $base = $node->basedir;

write_runners($node, "[demo]\nkind = vibe\nprogram = $base/agents/demo\nlimits = nice=0\n");
write_agent($node, 'demo', <<"EOA");
exec perl -e '
my \$block = ("x" x 99 . "\\n") x 10486;
print \$block for 1 .. $megabytes;
print qq({"vibe":"usage","input_tokens":7,"output_tokens":3,"cost_usd":0.5}\\n);
print qq({"vibe":"result","status":"done","summary":"all of it","output":{"n":1}}\\n);'
EOA
$node->start;
$node->safe_psql('postgres', 'CREATE DATABASE vo');
create_vibe($node);
# what a dispatcher takes for itself it has taken after one campaign
my $first = create_work($node, 'warm', 1);
wait_for($node, "SELECT status = 'completed' FROM vibe.campaigns WHERE id = $first");

my $pid = dispatcher_pid($node);
my $before = resident_memory($pid);
my $most = $before;
my $most_of_shim = 0;
my $begin = time;
my $campaign = create_work($node, 'loud', $printers);
ok(wait_until(sub {
	foreach my $shim (shims_of($node))
	{
		my $memory = resident_memory($shim);
		$most_of_shim = $memory if $memory > $most_of_shim;
	}
	my $memory = resident_memory($pid);
	$most = $memory if $memory > $most;
	return $node->safe_psql('vo', "SELECT status FROM vibe.campaigns WHERE id = $campaign") eq 'completed';
}, 'the campaign'), 'the campaign is completed');
my $took = time - $begin;
diag(sprintf '%d agents, %d MB each: %.1f s, %.0f MB/s; dispatcher %d kB before, %d kB at most; a shim %d kB at most',
	$printers, $megabytes, $took, $printers * $megabytes / $took, $before, $most, $most_of_shim);
cmp_ok($most - $before, '<', 16 * 1024, 'the dispatcher grows by less than 16 MB');
is($node->safe_psql('vo', "SELECT count(*), sum(input_tokens), min(summary) FROM vibe.runs WHERE campaign_id = $campaign AND outcome = 'done'"),
	"$printers|" . 7 * $printers . '|all of it', 'no result and no usage is lost');
my $over = 0;
foreach my $run (split /\n/, $node->safe_psql('vo', "SELECT id FROM vibe.runs WHERE campaign_id = $campaign"))
{
	my $kept = 0;
	$kept += -s $_ for grep { -e $_ } glob(run_directory($node) . "/{runs,done}/$run/stdout.*");
	$over++ if $kept > $cap;
}
is($over, 0, 'what is kept of each stays within 4 MB');
is($node->safe_psql('vo', "SELECT bool_and(total_bytes - dropped_bytes <= $cap AND text LIKE '%all of it%') FROM vibe.runs r, vibe.run_log(r.id, from_byte => -1000) WHERE campaign_id = $campaign"),
	't', 'run_log() counts what was dropped, and ends with the result');
is(dispatcher_pid($node), $pid, 'one dispatcher did it');
$node->stop;
done_testing();
