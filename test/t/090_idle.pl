# A dispatcher with nothing to do does nothing.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../perl";
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);
use VibeNode;

my $node = new_vibe_node('idle');
write_agent($node, 'demo', 'while [ ! -e "$BASE/go" ]; do sleep 0.2; done; echo finished');
create_vibe($node);

# Wake-ups over some seconds of the wall clock.
sub wakeups_per_second
{
	my $begin = time();
	my $before = status_of($node, 'wakeups');
	wait_until(sub { time() - $begin >= 4 }, 'four seconds');
	return (status_of($node, 'wakeups') - $before) / (time() - $begin);
}

cmp_ok(wakeups_per_second(), '<=', 1.3, 'it wakes about once per poll_interval of 1 s');
my $campaign = create_work($node, 'slow', 2);
wait_for($node, "SELECT count(*) = 2 FROM vibe.runs WHERE pid IS NOT NULL");
cmp_ok(wakeups_per_second(), '<=', 1.3, 'also while agents run');
$node->append_conf('postgresql.conf', 'vibe_orchestrator.poll_interval = 1h');
$node->append_conf('postgresql.conf', 'vibe_orchestrator.sweep_interval = 1h');
$node->reload;
wait_for($node, "SELECT setting = '3600' FROM pg_settings WHERE name = 'vibe_orchestrator.poll_interval'");
wait_until(sub { wakeups_per_second() == 0 }, 'rest');
is(wakeups_per_second(), 0, 'without a poll it does not wake at all');
is($node->safe_psql('postgres', "SELECT state, xact_start IS NULL, backend_xid IS NULL, backend_xmin IS NULL FROM pg_stat_activity WHERE backend_type = 'vibe dispatcher'"),
	'idle|t|t|t', 'no transaction, no xid, no xmin');
is($node->safe_psql('postgres', "SELECT count(*) FROM pg_locks l JOIN pg_stat_activity a USING (pid) WHERE a.backend_type = 'vibe dispatcher'"),
	'0', 'no lock');
touch_file($node->basedir . '/go');
ok(wait_for($node, "SELECT status = 'completed' FROM vibe.campaigns WHERE id = $campaign"),
	'and yet sees the end of its processes');
$campaign = create_work($node, 'woken', 1);
ok(wait_for($node, "SELECT status = 'completed' FROM vibe.campaigns WHERE id = $campaign"),
	'and is woken by a commit');
$node->safe_psql('vo', 'NOTIFY vibe_dispatch') for 1 .. 3;
is($node->safe_psql('vo', 'SELECT pg_notification_queue_usage()'), '0', 'notifications are consumed');

foreach my $notify (qw(worker off))
{
	$node->append_conf('postgresql.conf', "vibe_orchestrator.notify = $notify");
	$node->reload;
	wait_for($node, "SELECT setting = '$notify' FROM pg_settings WHERE name = 'vibe_orchestrator.notify'");
	$campaign = create_work($node, "notify-$notify", 2, 'demo', 'demo');
	ok(wait_for($node, "SELECT status = 'completed' FROM vibe.campaigns WHERE id = $campaign"),
		"with notify = $notify the latch is enough");
}
$node->stop;
done_testing();
