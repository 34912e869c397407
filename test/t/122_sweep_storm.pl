# Two sweeps at a time, a dispatcher, eight sessions that take and complete steps, and somebody who loses
# rows of work: nothing fails, nothing deadlocks, nothing is done twice, and everything is done in the end.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../perl";
use PostgreSQL::Test::Utils;
use Test::More;
use VibeNode;

my $node = new_vibe_node('storm',
	conf => "vibe_orchestrator.max_runs = 4\nvibe_orchestrator.sweep_interval = 1s\nmax_connections = 40\ndeadlock_timeout = 200ms\n");
my $base = $node->basedir;
write_agent($node, 'demo', 'exit 0');
write_runners($node, "[demo]\nkind = plain\nprogram = $base/agents/demo\n[elsewhere]\nkind = plain\nprogram = $base/agents/demo\n");
create_vibe($node, 'demo', 'elsewhere');
# The dispatcher leaves an agent alone whose runner is not its own.
write_runners($node, "[demo]\nkind = plain\nprogram = $base/agents/demo\n");
$node->reload;
$node->safe_psql('vo', <<'EOS');
DO $$BEGIN PERFORM vibe.create_pipeline('storm', 'Storm', '{"main_steps": [{"agent": "elsewhere", "label": "One"}, {"agent": "elsewhere", "label": "Two"},
	{"agent": "elsewhere", "label": "Three"}], "parallel_branches": [{"agent": "elsewhere", "label": "Side", "trigger_after_step": 0},
	{"agent": "demo", "label": "Other", "trigger_after_step": 0}], "convergence_step": 2}'); END$$;
DO $$BEGIN PERFORM vibe.create_campaign(1, 'storm-' || n, 'Storm', pipeline_slug => 'storm', target_article_count => 40) FROM generate_series(1, 5) n; END$$;
DO $$BEGIN PERFORM vibe.activate_campaign(c.id) FROM vibe.campaigns c; END$$;
EOS

my %script = (
	sweep    => 'SELECT * FROM vibe.sweep();',
	complete => q{DO $$
DECLARE
	item record;
	taken jsonb := (SELECT jsonb_agg(to_jsonb(c)) FROM vibe.claim_runs('{elsewhere}', :most) c);
BEGIN
	COMMIT;
	FOR item IN SELECT * FROM jsonb_to_recordset(taken) r(task_id bigint, branch text, lock_token text) LOOP
		PERFORM vibe.complete_step(item.task_id, 'elsewhere', item.lock_token, branch => item.branch);
		COMMIT;
	END LOOP;
END$$;},
	# as if it were lost: never while a verb is at the task
	lose => q{DO $$
DECLARE
	victim bigint := (SELECT t.id FROM vibe.tasks t WHERE t.ended_at IS NULL ORDER BY random() LIMIT 1);
BEGIN
	PERFORM FROM vibe.tasks t WHERE t.id = victim FOR NO KEY UPDATE;
	DELETE FROM vibe.work w USING (SELECT x.task_id FROM vibe.work x WHERE x.task_id = victim AND x.branch = '' FOR UPDATE SKIP LOCKED) v
	 WHERE w.task_id = v.task_id AND w.branch = '' AND w.state = 'ready';
END$$;});
(my $all = $script{complete}) =~ s/:most/1000/;
$script{complete} =~ s/:most/2/;
append_to_file("$base/$_.sql", $script{$_}) foreach keys %script;

my %clients = (sweep => 2, complete => 8, lose => 1);
my @running = map {
	my ($out, $err) = ('', '');
	[ IPC::Run::start([ 'pgbench', '-n', '-h', $node->host, '-p', $node->port, '-T', 5, '-c', $clients{$_}, ($_ eq 'lose' ? ('-R', 20) : ()), '-f', "$base/$_.sql", 'vo' ],
			'<', \undef, '>', \$out, '2>', \$err), $_, \$err ]
} sort keys %clients;
foreach my $run (@running)
{
	my ($handle, $name, $err) = @$run;
	ok($handle->finish, "$name: no error in five seconds") or diag($$err);
	unlike($$err, qr/aborted|ERROR/, "$name: no statement failed");
}
is(scalar(log_lines($node, 'deadlock|ERROR:|could not serialize')), 0, 'nothing in the log') or diag(slurp_file($node->logfile) =~ /((?:.*\n){0,3}.*(?:deadlock|ERROR:).*\n(?:.*\n){0,30})/);

# What was lost last is found without anybody's help; the rest is done here.
my $open = 'SELECT count(*) FROM vibe.tasks WHERE ended_at IS NULL';
ok( wait_until(
		sub {
			$node->safe_psql('vo', $all);
			return $node->safe_psql('vo', $open) eq '0';
		},
		'the end of all tasks'),
	'everything is done in the end');
is($node->safe_psql('vo', "SELECT count(*) FROM vibe.campaigns WHERE status <> 'completed'"), '0', 'the campaigns, too');
is( $node->safe_psql('vo', "SELECT count(*) FROM (SELECT FROM vibe.runs WHERE outcome = 'done' GROUP BY task_id, branch, step HAVING count(*) > 1) twice"),
	'0', 'no step was done twice');
is($node->safe_psql('vo', "SELECT count(*) || ' ' || count(DISTINCT (task_id, branch, step)) FROM vibe.runs WHERE outcome = 'done'"), '1000 1000', 'and none was left out');
is($node->safe_psql('vo', 'SELECT count(*) FROM vibe.work'), '0', 'no work is left');
isnt($node->safe_psql('vo', "SELECT count(*) FROM vibe.activities WHERE kind = 'orphan_requeued'"), '0', 'and something had been lost');

$node->stop;
done_testing();
