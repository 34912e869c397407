# Notifications on their way out. A local server stands in for Telegram and answers 200, 429, 500, garbage and
# nothing at all: every message arrives exactly once where that is possible, and at most twice after a lost answer.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../perl";
use PostgreSQL::Test::Utils;
use Test::More;
use VibeHttp;
use VibeNode;

chomp(my $bindir = `pg_config --bindir`);
my $node = new_vibe_node('notify', start => 0);
my $base = $node->basedir;
my $server = start_http("$base/requests");

append_to_file("$base/etc/token", "123:SECRET\n");
chmod 0600, "$base/etc/token";
write_agent($node, 'pager', <<'EOA');
cat >> "$BASE/paged"
while [ ! -e "$BASE/go" ]; do sleep 0.1; done
EOA
write_runners($node, <<"EOR");
[telegram]
kind = vibe
program = $bindir/vibe_notify
args = telegram --chat 42 --base-url $server->{url} --timeout 1
secret_env = NOTIFY_SECRET:$base/etc/token

[broken]
kind = vibe
program = $base/agents/nothing

[pager]
kind = plain
program = $base/agents/pager

[log]
kind = vibe
program = $bindir/vibe_notify
args = file --path $base/sent
EOR
$node->start;
$node->safe_psql('postgres', 'CREATE DATABASE vo');
create_vibe($node, "pager");

sub notify { return $node->safe_psql('vo', "SELECT vibe.notify('task_blocked', '$_[0]', '$_[1]')") }
sub rule { return $node->safe_psql('vo', "SELECT vibe.set_notification_rule('task_blocked', '$_[0]', $_[1])") }

# Until nothing is pending; back-offs are over at once.
sub deliver
{
	return wait_for($node, q{
		WITH w AS (UPDATE vibe.chores SET ready_at = now() WHERE run_id IS NULL AND ready_at > now() RETURNING 1),
		     d AS (UPDATE vibe.deliveries SET next_attempt_at = now() WHERE state = 'pending' AND next_attempt_at > now() RETURNING 1)
		SELECT (SELECT count(*) FROM vibe.deliveries WHERE state = 'pending') + 0 * (SELECT count(*) FROM w) + 0 * (SELECT count(*) FROM d)
		       + 0 * vibe._wake(false)::int = 0});
}

# a rule is all it takes
rule('telegram', 'true');
notify('hello *world* <b>', 'ann');
ok(wait_for($node, "SELECT state = 'sent' FROM vibe.deliveries"), 'a notification is sent by itself');
my ($first) = http_requests($server);
is($first->{path}, '/bot123:SECRET/sendMessage', 'with the token from the file');
is_deeply($first->{json}, { chat_id => '42', text => 'hello *world* <b>', disable_web_page_preview => JSON::PP::true },
	'as plain text to the chat of the runner file');

my @scripts = ('[429,200]', '[500,200]', '[garbage,200]', '[nothing,200]', '[nothing]', '[500,500]', '[400]');
my $number = 0;
notify("event $_", 'r' . $number++) foreach @scripts;
ok(deliver(), 'everything is settled in bounded time');
my (%state, %asked);
foreach my $line (split /\n/, $node->safe_psql('vo', q{SELECT n.message || '|' || d.state FROM vibe.deliveries d JOIN vibe.notifications n ON n.id = d.notification_id}))
{
	my ($text, $state) = split /\|/, $line;
	$state{$text} = $state;
}
$asked{ $_->{json}{text} }{ $_->{answered} }++ foreach http_requests($server);
is($state{'event [429,200]'}, 'sent', 'after 429');
is_deeply($asked{'event [429,200]'}, { 429 => 1, 200 => 1 }, 'exactly once');
is($state{'event [500,200]'}, 'sent', 'after 500');
is_deeply($asked{'event [500,200]'}, { 500 => 1, 200 => 1 }, 'exactly once');
is($state{'event [garbage,200]'}, 'sent', 'after garbage');
is_deeply($asked{'event [garbage,200]'}, { garbage => 1, 200 => 1 }, 'twice at most');
is($state{'event [nothing,200]'}, 'sent', 'after no answer');
is_deeply($asked{'event [nothing,200]'}, { nothing => 1, 200 => 1 }, 'twice at most');
is($state{'event [nothing]'}, 'failed', 'never an answer');
is_deeply($asked{'event [nothing]'}, { nothing => 2 }, 'twice, and no more');
is($state{'event [500,500]'}, 'failed', 'always 500');
is($asked{'event [500,500]'}{500}, 8, 'after eight attempts');
is($state{'event [400]'}, 'failed', 'refused');
is_deeply($asked{'event [400]'}, { 400 => 1 }, 'once');
is($node->safe_psql('vo', "SELECT count(*) FROM vibe.deliveries WHERE error LIKE '%SECRET%'")
	  . $node->safe_psql('vo', "SELECT count(*) FROM vibe.runs r WHERE r::text LIKE '%SECRET%'"), '00', 'the token is nowhere');

# a burst
rule('telegram', 'false');
rule('log', 'true');
$node->safe_psql('vo', "SELECT vibe.notify('task_blocked', 'burst ' || n) FROM generate_series(1, 50) n");
$node->safe_psql('vo', "SELECT vibe.notify('task_blocked', 'burst ' || n) FROM generate_series(51, 100) n");
ok(deliver(), 'a burst is settled');
cmp_ok(count_lines("$base/sent"), '<=', 2, 'as few messages');
my $sent = slurp_file("$base/sent");
is(eval { my $n = 0; $n += $_ foreach $sent =~ /"count":(\d+)/g; $n }, 100, 'that hold all of it');
rule('log', 'false');

# a channel that fails holds nothing up
rule('broken', 'true');
notify('into the void', 'ann');
$node->safe_psql('vo', "SELECT vibe.register_agent('worker', runner => 'log')");
wait_for($node, "SELECT failures > 0 FROM vibe.chores WHERE channel = 'broken'");
rule('log', 'true');
notify('beside it', 'ann');
ok(wait_for($node, "SELECT state = 'sent' FROM vibe.deliveries WHERE channel = 'log' ORDER BY notification_id DESC LIMIT 1"), 'another channel goes on');
is($node->safe_psql('vo', "SELECT state FROM vibe.deliveries WHERE channel = 'broken' ORDER BY notification_id LIMIT 1"), 'pending', 'while it waits');
rule('broken', 'false');
rule('log', 'false');

# a notifier outlives the dispatcher
rule('pager', 'true');
notify('page', 'ann');
wait_for_file("$base/paged");
wait_for($node, "SELECT count(*) = 1 FROM vibe.runs WHERE ended_at IS NULL AND pid IS NOT NULL AND agent_name = 'notify:pager'");
my $dispatcher = dispatcher_pid($node);
kill 'KILL', $dispatcher;
wait_until_gone($dispatcher);
wait_ready($node);
touch_file("$base/go");
ok(wait_for($node, "SELECT state = 'sent' FROM vibe.deliveries WHERE channel = 'pager'"), 'what a dead dispatcher had started is settled by the next');
is(slurp_file("$base/paged"), 'page', 'and sent once');
is($node->safe_psql('vo', 'SELECT count(*) FROM vibe.dispatcher_status() WHERE state = \'running\''), 1, 'it is at work');

# a copy
$node->stop;
$node->append_conf('postgresql.conf', "vibe_orchestrator.databases = ''");
$node->start;
$node->safe_psql('vo', "UPDATE vibe.home SET identity = 'elsewhere'");
notify('in the copy', 'ann');
$node->append_conf('postgresql.conf', "vibe_orchestrator.databases = 'vo'");
$node->reload;
wait_for($node, "SELECT state = 'foreign' FROM vibe.dispatcher_status() WHERE database = 'vo'");
my $wakeups = status_of($node, 'wakeups');
wait_for($node, "SELECT wakeups > $wakeups + 2 FROM vibe.dispatcher_status()");
is(slurp_file("$base/paged"), 'page', 'a copy sends nothing');
$node->safe_psql('vo', 'SELECT vibe.take_over()');
is($node->safe_psql('vo', "SELECT state FROM vibe.deliveries ORDER BY notification_id DESC LIMIT 1"), 'dropped', 'and drops it when it takes over');
notify('at home again', 'ann');
ok(wait_for($node, "SELECT state = 'sent' FROM vibe.deliveries ORDER BY notification_id DESC LIMIT 1"), 'what comes after is sent');
like(slurp_file("$base/paged"), qr/^page.?at home again$/s, 'and nothing else was');

$node->stop;
stop_http($server);
done_testing();
