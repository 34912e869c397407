# A dispatcher that crashes the server at every start must not keep it in
# recovery for ever: after some crashes the launcher waits.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../perl";
use PostgreSQL::Test::Utils;
use Test::More;
use VibeNode;

my $node = new_vibe_node('brake');
my $file = $node->data_dir . '/vibe_orchestrator.starts';

for my $crash (1 .. 5)
{
	my $pid;

	wait_ready($node);
	wait_for($node, "SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'vibe dispatcher'", 't', 'postgres');
	$pid = dispatcher_pid($node);
	kill 'KILL', $pid;
	wait_until_gone($pid);
}
ok(wait_until(sub { log_lines($node, 'vibe launcher waits 2 s') == 1 }, 'the brake'),
	'after five crashes in a row the launcher waits');
wait_ready($node);
ok(wait_for($node, "SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'vibe dispatcher'", 't', 'postgres'),
	'and then starts the dispatcher again');
like(slurp_file($file), qr/^6 \d+$/, 'the starts are counted in a file');
$node->stop;
ok(!-e $file, 'a clean stop ends the count');

append_to_file($file, '2000 ' . time() . "\n");
$node->start;
ok(wait_until(sub { log_lines($node, 'vibe launcher waits 60 s') == 1 }, 'the longest wait'), 'the wait has a limit');
is($node->safe_psql('postgres', 'SELECT 1'), '1', 'clients can work meanwhile');
$node->stop;

append_to_file($file, "nonsense\n");
$node->start;
ok(wait_for($node, "SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'vibe dispatcher'", 't', 'postgres'),
	'a damaged file holds nobody up');
$node->stop;
done_testing();
