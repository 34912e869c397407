# Files of settled runs are kept for run_file_retention; the dispatcher's memory
# does not grow with the number of runs.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../perl";
use PostgreSQL::Test::Utils;
use Test::More;
use VibeNode;

my $node = new_vibe_node('retention', runners => "[demo]\nkind = plain\nprogram = /bin/true\nlimits = nice=0\n",
	conf => "vibe_orchestrator.max_runs = 16\nvibe_orchestrator.sweep_interval = 1s\nlog_statement = none\n");
create_vibe($node);

# Resident memory of a process that is its own, in kB.
sub anonymous_memory
{
	my ($pid) = @_;
	return (slurp_file("/proc/$pid/status") =~ /^RssAnon:\s+(\d+)/m)[0];
}

sub work_off
{
	my ($slug, $count) = @_;
	my $campaign = create_work($node, $slug, $count);
	wait_for($node, "SELECT status = 'completed' FROM vibe.campaigns WHERE id = $campaign");
	return wait_until(sub { count_files(run_directory($node) . '/runs/*') == 0 }, 'empty runs/');
}

# as many as it takes until everything was done once, also what is done every few hundred runs
work_off('first', 450);
my $done = run_directory($node) . '/done';
is(count_files("$done/*"), 450, 'settled runs are kept');
my $old = time() - 8 * 86400;
utime $old, $old, "$done/1", "$done/2";
ok(wait_until(sub { !-e "$done/1" && !-e "$done/2" }, 'pruning'), 'those older than seven days are removed');
is(count_files("$done/*"), 448, 'and no others');

my $pid = dispatcher_pid($node);
my $before = anonymous_memory($pid);
work_off('second', 300);
my $after = anonymous_memory($pid);
cmp_ok($after - $before, '<', 1024, "memory does not grow with runs ($before kB before, $after kB after)");
is(dispatcher_pid($node), $pid, 'of the same dispatcher');

$node->append_conf('postgresql.conf', 'vibe_orchestrator.run_file_retention = 0');
$node->reload;
ok(wait_until(sub { count_files("$done/*") == 0 }, 'empty done/'), 'a retention of zero removes what is there');
work_off('third', 3);
is(count_files("$done/*"), 0, 'and keeps nothing of later runs');
$node->stop;
done_testing();
