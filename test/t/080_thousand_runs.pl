# A thousand short runs through sixteen slots leave nothing behind.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../perl";
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);
use VibeNode;

my $node = new_vibe_node('thousand', runners => "[demo]\nkind = plain\nprogram = /bin/true\nlimits = nice=0\n",
	conf => "vibe_orchestrator.max_runs = 16\nlog_statement = none\n");
create_vibe($node);

# How many descriptors of processes a dispatcher holds.
sub pidfds
{
	my ($pid) = @_;
	return scalar grep { (readlink($_) || '') =~ /pidfd/ } glob("/proc/$pid/fd/*");
}

my $pid = dispatcher_pid($node);
my $begin = time();
my $campaign = create_work($node, 'thousand', 1000);
my $most = 0;
ok(wait_until(sub {
	my $running = status_of($node, 'running');
	$most = $running if $running > $most;
	return $node->safe_psql('vo', "SELECT status FROM vibe.campaigns WHERE id = $campaign") eq 'completed';
}, 'a thousand tasks'), 'a thousand tasks are completed');
diag(sprintf 'a thousand runs took %.1f s', time() - $begin);
cmp_ok($most, '<=', 16, 'never more than max_runs at once');
is($node->safe_psql('vo', 'SELECT outcome, count(*), count(DISTINCT task_id), count(ended_at) FROM vibe.runs GROUP BY 1'),
	'done|1000|1000|1000', 'each in one run');
is(dispatcher_pid($node), $pid, 'by one dispatcher');
ok(wait_until(sub { count_files(run_directory($node) . '/runs/*') == 0 }, 'empty runs/'), 'all are put away');
is(pidfds($pid), 0, 'no descriptor is left');
my @zombies = grep { /^\d+ \(.*\) Z $pid / } map { -e "$_" ? eval { slurp_file($_) } || '' : '' } glob('/proc/[0-9]*/stat');
is(scalar(@zombies), 0, 'no zombie is left');
is(status_of($node, 'running'), '0', 'nothing is counted as running');
is_deeply([ log_lines($node, 'ERROR|FATAL|PANIC|WARNING|vibe dispatcher') ], [], 'the log has nothing to say');
$node->stop;
done_testing();
