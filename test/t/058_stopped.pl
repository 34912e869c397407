# Processes that stand still (SIGSTOP) while time goes by: a holder of a lock that comes back too late, and a
# dispatcher and its supervisors, from whom time alone takes nothing.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../perl";
use IPC::Run;
use PostgreSQL::Test::Utils;
use Test::More;
use VibeNode;

my $node = new_vibe_node('stopped');
my $base = $node->basedir;
my $runners = "[demo]\nkind = plain\nprogram = $base/agents/demo\n";

write_agent($node, 'demo', <<'EOA');
echo "$VIBE_TASK_ID" >> "$BASE/starts"
while [ ! -e "$BASE/go" ]; do sleep 0.1; done
echo "$VIBE_TASK_ID" >> "$BASE/ends"
EOA
write_runners($node, $runners . "[elsewhere]\nkind = plain\nprogram = $base/agents/demo\n");
create_vibe($node, 'demo', 'elsewhere');
# no dispatcher gives work to an agent whose runner is not its own
write_runners($node, $runners);
$node->reload;

# The clock of all sessions and of the dispatcher; '' is the real one.
sub set_clock
{
	my ($time) = @_;
	$node->safe_psql('postgres', "ALTER SYSTEM SET vibe_orchestrator.fake_now = '$time'");
	$node->reload;
	return wait_for($node, "SELECT current_setting('vibe_orchestrator.fake_now') = '$time'", 't', 'postgres');
}

sub stop_process
{
	my (@pids) = @_;
	kill 'STOP', @pids;
	return ok(
		wait_until(
			sub { !grep { slurp_file("/proc/$_/stat") !~ /\) T / } @pids },
			"stop of @pids"),
		'standing still');
}

# A digest of every table.
my $everything = $node->safe_psql('vo', <<'EOQ');
SELECT string_agg(format('SELECT %L || md5(coalesce(string_agg(to_jsonb(r)::text, '' '' ORDER BY to_jsonb(r)::text), '''')) FROM %s r', c.relname || ' ', c.oid::regclass), ' UNION ALL ' ORDER BY c.relname)
  FROM pg_class c WHERE c.relnamespace = 'vibe'::regnamespace AND c.relkind = 'r'
EOQ

### A holder by hand: two steps, of which a sweep frees one, and a rival takes over the other.

my $campaign = create_work($node, 'byhand', 2, 'elsewhere', 'elsewhere');
$node->safe_psql('vo', "SELECT vibe.register_service('searx', 'email')");
my $writes = join "\n", map {
	my $n = $_;
	map { "\\echo $n $_->[0]\nSELECT 'accepted' FROM vibe.$_->[1];" } (
		[ complete_step => "complete_step($n, 'elsewhere', :'token$n', '{\"late\": true}')" ],
		[ renew_lock => "renew_lock(:run$n, :'token$n')" ],
		[ release_lock => "release_lock($n, 'elsewhere', :'token$n')" ],
		[ fail_step => "fail_step(:run$n, :'token$n', error => 'late')" ],
		[ request_revision => "request_revision($n, 'late', agent_name => 'elsewhere', lock_token => :'token$n')" ],
		[ report_usage => "report_usage(:run$n, :'token$n', '{\"cost_usd\": 5}')" ],
		[ get_run_input => "get_run_input(:run$n, :'token$n')" ],
		[ create_task => "create_task(1, 'late', campaign_id => $campaign, run_id => :run$n, lock_token => :'token$n')" ],
		[ resolve_service => "resolve_service('email', run_id => :run$n, lock_token => :'token$n')" ],
		[ log_service_call => "log_service_call('searx', 'success', run_id => :run$n, lock_token => :'token$n')" ])
} 1, 2;
append_to_file("$base/holder.sql", <<"EOS");
\\set VERBOSITY sqlstate
SELECT run_id AS run1, lock_token AS token1 FROM vibe.acquire_lock(1, 'elsewhere') \\gset
SELECT run_id AS run2, lock_token AS token2 FROM vibe.acquire_lock(2, 'elsewhere') \\gset
\\! touch '$base/holding'; while [ ! -e '$base/write' ]; do sleep 0.1; done
$writes
\\echo 1 complete_steps
SELECT error_code FROM vibe.complete_steps(jsonb_build_array(jsonb_build_object('task_id', 1, 'agent_name', 'elsewhere', 'lock_token', :'token1')));
\\echo end
EOS
my $said = '';
my $holder = IPC::Run::start([ 'psql', '-XAtq', '-h', $node->host, '-p', $node->port, '-f', "$base/holder.sql", 'vo' ],
	'<', \undef, '>', \$said, '2>&1');
my $holder_pid = $holder->{KIDS}[0]{PID};

wait_for_file("$base/holding");
stop_process($holder_pid);
is($node->safe_psql('vo', "SELECT acquired, reason FROM vibe.acquire_lock(1, 'elsewhere')"), 'f|locked', 'while its lease lasts nobody else gets in');
set_clock($node->safe_psql('vo', "SELECT now() + interval '20 minutes'"));
my $taken = $node->safe_psql('vo', "SELECT run_id, lock_token FROM vibe.acquire_lock(2, 'elsewhere')");
like($taken, qr/^\d+\|\w+$/, 'past it a rival takes the step over');
set_clock($node->safe_psql('vo', "SELECT now() + interval '40 minutes'"));
is($node->safe_psql('vo', 'SELECT stale_locks_released FROM vibe.sweep()'), '1', 'later a sweep frees the other step');
my $freed = $node->safe_psql('vo', "SELECT run_id, lock_token FROM vibe.acquire_lock(1, 'elsewhere')");
like($freed, qr/^\d+\|\w+$/, 'and a rival gets it');

my $before = $node->safe_psql('vo', $everything);
touch_file("$base/write");
is($said, '', 'the first one has written nothing yet');
kill 'CONT', $holder_pid;
ok($holder->finish, 'it goes on') or diag($said);
my @answers = $said =~ /^(\d \w+)\n(.*)$/mg;
my %answer = @answers;
is(scalar(keys %answer), 21, 'and writes whatever it can');
foreach my $write (sort keys %answer)
{
	like($answer{$write}, qr/^(?:psql:.*: ERROR:  )?VB011$/, "$write: refused as a lock that is lost");
}
is($node->safe_psql('vo', $everything), $before, 'nothing has changed');
my @held = map { [ split /\|/ ] } $freed, $taken;
foreach my $task (1, 2)
{
	is($node->safe_psql('vo', "SELECT next_step FROM vibe.complete_step($task, 'elsewhere', '$held[$task - 1][1]')"), '2',
		"task $task: the rival's result counts");
}
is($node->safe_psql('vo', "SELECT string_agg(outcome, ' ' ORDER BY id) FROM vibe.runs WHERE campaign_id = $campaign"),
	'lost lost done done', 'the first one is on record as lost');
set_clock('');

### A dispatcher and its supervisors stand still while a month goes by.

$campaign = create_work($node, 'dispatched', 3);
ok(wait_for($node, "SELECT count(*) = 3 FROM vibe.runs WHERE campaign_id = $campaign AND pid IS NOT NULL"), 'three agents work');
wait_until(sub { count_lines("$base/starts") == 3 }, 'their start');
my @shims = split /\n/, $node->safe_psql('vo', "SELECT pid FROM vibe.runs WHERE campaign_id = $campaign");
my $dispatcher = dispatcher_pid($node);
my $state = 'SELECT r.id, r.outcome, r.ended_at, r.closed_at, w.state, w.attempts, t.status FROM vibe.runs r'
  . " JOIN vibe.work w ON w.run_id = r.id JOIN vibe.tasks t ON t.id = r.task_id WHERE r.campaign_id = $campaign ORDER BY r.id";
my $held = $node->safe_psql('vo', $state);
my ($task) = split /\n/, $node->safe_psql('vo', "SELECT min(id) FROM vibe.tasks WHERE campaign_id = $campaign");

sub nothing_is_freed
{
	my ($when) = @_;
	is($node->safe_psql('vo', 'SELECT stale_locks_released, dispatched_runs_lost, orphans_dispatched FROM vibe.sweep()'), '0|0|0', "$when: a sweep frees nothing");
	is($node->safe_psql('vo', "SELECT count(*) FROM vibe.find_stale_locks()"), '0', "$when: no lock is stale");
	is($node->safe_psql('vo', "SELECT acquired, reason FROM vibe.acquire_lock($task, 'demo')"), 'f|locked', "$when: no rival gets in");
	is($node->safe_psql('vo', $state), $held, "$when: all runs as they were");
	return;
}

stop_process(@shims, $dispatcher);
set_clock($node->safe_psql('vo', "SELECT now() + interval '30 days'"));
nothing_is_freed('a month later');
set_clock($node->safe_psql('vo', "SELECT now() - interval '1 hour'"));
nothing_is_freed('an hour before');
set_clock($node->safe_psql('vo', "SELECT now() + interval '30 days'"));

# its agents end meanwhile, and nobody is there to see it
touch_file("$base/go");
ok(wait_until(sub { count_lines("$base/ends") == 3 }, 'ends'), 'the agents end');
nothing_is_freed('after their end');

kill 'CONT', $dispatcher;
create_work($node, 'meanwhile', 1);
ok(wait_for($node, "SELECT status = 'completed' FROM vibe.campaigns WHERE slug = 'meanwhile'"), 'the dispatcher goes on and starts others');
nothing_is_freed('while only its supervisors stand still');
kill 'CONT', @shims;
ok(wait_for($node, "SELECT status = 'completed' FROM vibe.campaigns WHERE id = $campaign"), 'the supervisors go on: the runs end');
is($node->safe_psql('vo', "SELECT string_agg(outcome || attempt, ' ') FROM vibe.runs WHERE campaign_id = $campaign"), 'done1 done1 done1', 'as done, each once');
is(count_lines("$base/starts"), 4, 'no agent was started twice');
is(dispatcher_pid($node), $dispatcher, 'by the dispatcher that had started them');

$node->stop;
done_testing();
