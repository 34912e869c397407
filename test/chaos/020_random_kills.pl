# A campaign goes on under random kills of agents, shims, the dispatcher and the
# postmaster: nothing is lost, nothing is done twice, no attempt is used up by a
# kill of our own processes.
#
# CHAOS_KILLS (200), CHAOS_TASKS (100), CHAOS_SEED (the time)

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

my $kills = size_of('KILLS', 200);
my $tasks = size_of('TASKS', 100);
my $seed = size_of('SEED', int time);
my $steps = 3;
my $node = new_vibe_node('random',
	conf => "vibe_orchestrator.max_runs = 12\nvibe_orchestrator.orphan_grace = 20s\nlog_statement = none\n");
my $base = $node->basedir;

srand $seed;
diag("seed $seed, $kills kills over $tasks tasks");
write_agent($node, 'demo', <<'EOA');
sleep 0.$(( $VIBE_RUN_ID % 5 + 2 ))
echo "$VIBE_TASK_ID $VIBE_STEP" >> "$BASE/done"
EOA
create_vibe($node);
# kills of agents are failures of agents, which are retried and may be many
$node->safe_psql('vo', "DO \$\$BEGIN PERFORM vibe.create_pipeline('chaos', 'chaos', '{\"main_steps\":["
	. join(',', map { qq({"order":$_,"agent":"demo","label":"Step $_","output_dir":"drafts","max_attempts":100}) } 1 .. $steps)
	. "]}'); END\$\$");

# Campaigns one after the other, for as long as there are kills to make.
my %killed = (agent => 0, shim => 0, dispatcher => 0, postmaster => 0);
my @campaigns;
my $begin = time;

sub activate
{
	my $slug = 'chaos-' . @campaigns;
	push @campaigns, $node->safe_psql('vo', <<"EOS");
DO \$\$BEGIN PERFORM vibe.create_campaign((SELECT min(id) FROM vibe.projects), '$slug', '$slug', pipeline_slug => 'chaos', target_article_count => $tasks); END\$\$;
SELECT campaign_id FROM vibe.activate_campaign((SELECT id FROM vibe.campaigns WHERE slug = '$slug'));
EOS
	return;
}

sub total { my $sum = 0; $sum += $_ for values %killed; return $sum }

activate();
my $last = time;
while (total() < $kills && time - $last < 60)
{
	my $dice = rand;
	my $what = $dice < 0.45 ? 'agent' : $dice < 0.85 ? 'shim' : $dice < 0.95 ? 'dispatcher' : 'postmaster';

	select undef, undef, undef, rand 0.2;
	if ($what eq 'postmaster')
	{
		kill_postmaster($node);
		$killed{$what}++;
	}
	elsif ($what eq 'dispatcher')
	{
		$killed{$what} += kill_dispatcher($node);
	}
	else
	{
		my @victims = $what eq 'agent' ? agents_of($node) : shims_of($node);
		$killed{$what} += kill_hard(@victims);
	}
	$last = time;
	activate() if ($node->psql('vo', "SELECT count(*) FROM vibe.work"))[1] eq '0';
}
diag(join ', ', map { "$killed{$_} of the $_" } sort keys %killed);
is(total(), $kills, "$kills processes were killed");
my $all = @campaigns;
ok(wait_for($node, "SELECT count(*) = $all FROM vibe.campaigns WHERE status = 'completed'"), "all $all campaigns are completed");
diag(sprintf '%d runs in %.0f s', $node->safe_psql('vo', 'SELECT count(*) FROM vibe.runs'), time - $begin);

is($node->safe_psql('vo', "SELECT count(*) FROM vibe.tasks WHERE status <> 'completed'"), 0, 'no task is lost');
is($node->safe_psql('vo', "SELECT count(*), count(DISTINCT (task_id, step)) FROM vibe.runs WHERE outcome = 'done'"),
	join('|', ($tasks * $steps * $all) x 2), 'every step is done exactly once');
is($node->safe_psql('vo', "SELECT string_agg(DISTINCT outcome, ' ') FROM vibe.runs WHERE outcome NOT IN ('done', 'lost', 'killed')"), '',
	'runs were done, lost or killed, and nothing else');
my $by_agents = $node->safe_psql('vo', "SELECT count(*) FROM vibe.runs WHERE outcome = 'killed'");
cmp_ok($by_agents, '<=', $killed{agent}, "attempts were used up by kills of agents only ($by_agents of $killed{agent})");
is($node->safe_psql('vo', "SELECT count(*) FROM vibe.runs r WHERE r.attempt - 1 <> (SELECT count(*) FROM vibe.runs e JOIN vibe.outcomes o USING (outcome)
    WHERE e.task_id = r.task_id AND e.step = r.step AND e.id < r.id AND o.uses_attempt)"), 0, 'and counted once each');
ok(defined settle($node, 30), 'every run has its end');
no_processes_left($node, 5);
is(scalar(my @zombies = zombies_of($node)), 0, 'no zombie is left');
ok(wait_until(sub { count_files(run_directory($node) . '/runs/*') == 0 }, 'empty runs/'), 'all files are put away');
is_deeply([ log_lines($node, 'PANIC|TRAP:|cannot go from state') ], [], 'no assertion failed');
$node->stop;
done_testing();
