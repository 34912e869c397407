# Beside an old snapshot ended runs and finished steps leave dead entries in every index. Of those of ended runs a claim
# reads the last few; those of steps that were ready it passes once.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../perl";
use PostgreSQL::Test::Utils;
use Test::More;
use VibeNode;

my $node = new_vibe_node('snapshot', conf => "vibe_orchestrator.databases = ''\nautovacuum = off\n");
$node->safe_psql('vo', <<'EOS');
CREATE EXTENSION vibe_orchestrator;
SELECT vibe.create_project('p', 'P');
SELECT vibe.register_agent('worker'), vibe.register_agent('sleeper');
SELECT vibe.create_pipeline('line', 'Line', '{"main_steps": [{"order": 1, "agent": "worker", "label": "Do"}, {"order": 2, "agent": "worker", "label": "Check"}]}');
SELECT vibe.create_pipeline('long', 'Long', '{"main_steps": [{"order": 1, "agent": "sleeper", "label": "Sleep"}]}');
SELECT c.id, a.* FROM unnest('{line,line,long}'::text[], '{one,two,three}'::text[]) p(line, slug),
    vibe.create_campaign(1, p.slug, 'C', pipeline_slug => p.line, target_article_count => 3000) c, vibe.activate_campaign(c.id) a;
CREATE PROCEDURE work_off(steps integer) LANGUAGE plpgsql AS $$
DECLARE
    mine record;
BEGIN
    FOR i IN 1 .. steps LOOP
        SELECT * INTO STRICT mine FROM vibe.claim_runs('{worker}');
        COMMIT;
        PERFORM vibe.complete_step(mine.task_id, mine.agent_name, mine.lock_token);
        COMMIT;
    END LOOP;
END $$;
CREATE FUNCTION buffers_of(statement text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    plan jsonb;
BEGIN
    EXECUTE 'EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) ' || statement INTO plan;
    RETURN (plan #>> '{0,Plan,Shared Hit Blocks}')::bigint + (plan #>> '{0,Plan,Shared Read Blocks}')::bigint;
END $$;
VACUUM ANALYZE;
EOS

# One session for everything: its plans stem from when there was nothing, as those of a worker do.
my $worker = $node->background_psql('vo');
$worker->set_query_timer_restart;

# In parts, each of which has the whole time of a query.
sub work_off
{
	my ($steps) = @_;
	$worker->query_safe('CALL work_off(200)') foreach 1 .. $steps / 200;
	return;
}

# What the second of two claims reads, with the catalogue at hand; both are taken back.
sub claim_reads
{
	my $claim = q{BEGIN; SELECT buffers_of('SELECT * FROM vibe.claim_runs(''{worker}'')'); ROLLBACK;};
	$worker->query_safe($claim);
	return $worker->query_safe($claim);
}

# What it takes to choose a step, what it takes to look for the first ready step of each of the two heads and nothing
# else, and what it takes to lock a step that is known to be the only one.
sub choice_reads
{
	$worker->query_safe('BEGIN; SET LOCAL enable_seqscan = off');
	my %reads = (
		choice => q{SELECT buffers_of('SELECT vibe._choose(vibe._unlimited_agents(''{}'', ''{}'', ''{}'', ''{worker}'', 1), ''{}'', 1, 0)')},
		heads => q{SELECT sum(buffers_of(format('SELECT 1 FROM vibe.work w WHERE w.state = ''ready'' AND w.agent_name = ''worker''
			AND w.priority = 2 AND w.campaign_id = %s ORDER BY w.since LIMIT 1', c))) FROM generate_series(1, 2) c},
		only => q{SELECT buffers_of(format('SELECT vibe._take_the_only_one(%s, '''', ''{default}'', ''{1}'', ''{acme}'')', max(w.task_id)))
			FROM vibe.work w WHERE w.state = 'ready' AND w.agent_name = 'worker'});
	# The first time reads the catalogue, too.
	foreach my $time (1, 2)
	{
		$reads{"$_ $time"} = $worker->query_safe($reads{$_}) foreach qw(choice heads only);
	}
	$worker->query_safe('ROLLBACK');
	return map { $reads{"$_ 2"} } qw(choice heads only);
}

sub live_are_found
{
	return $worker->query_safe('SELECT ARRAY(SELECT id FROM vibe.runs WHERE ended_at IS NULL ORDER BY 1) = ARRAY(SELECT run_id FROM vibe._live_runs_now() ORDER BY 1)');
}

claim_reads();
my $sleeping = $worker->query_safe("SELECT count(*) FROM vibe.claim_runs('{sleeper}', 5)");
is($sleeping, 5, 'five runs go on');
foreach my $snapshot ('SELECT count(*) FROM vibe.work', 'SELECT pg_current_xact_id(), count(*) FROM vibe.work')
{
	my $holder = $node->background_psql('vo');
	$holder->query_safe("BEGIN ISOLATION LEVEL REPEATABLE READ; $snapshot");
	work_off(400);
	my $before = claim_reads();
	my @reads_before = choice_reads();
	work_off(1200);
	my $after = claim_reads();
	my @reads_after = choice_reads();
	note "a claim reads $before, then $after buffers";
	cmp_ok($after, '<', $before + 120, "a claim reads as little after 1200 more steps beside $snapshot");
	is(live_are_found(), 't', 'and finds what is live');
	my ($choice, $heads, $only) = map { $reads_after[$_] - $reads_before[$_] } 0 .. 2;
	note "a choice reads $choice buffers more, a look at its heads $heads, the lock of an only step $only";
	cmp_ok($heads, '>', 10, 'there are dead entries of steps that were ready');
	cmp_ok($choice, '<=', $heads + 5, 'a choice passes them once');
	cmp_ok($only, '<=', 2, 'a step that is the only one is not looked for past them');
	cmp_ok($worker->query_safe('SELECT count(*) FROM vibe.run_marks'), '<=', 3, 'the marks are few');
	$holder->query_safe('COMMIT');
	$holder->quit;
	is(live_are_found(), 't', 'also once the transaction has ended');
}
$worker->quit;

done_testing();
