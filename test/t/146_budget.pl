# Fifty agents against one ceiling: what was recorded and what is reserved is
# together never above it, at no moment that anybody could see.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../perl";
use PostgreSQL::Test::Utils;
use Test::More;
use VibeNode;

my $sim  = "$FindBin::Bin/../agents/vibe-agent-sim";
my $node = new_vibe_node('budget', start => 0, conf => "vibe_orchestrator.max_runs = 60\n");

write_runners($node, <<"EOR");
[demo]
kind         = vibe
program      = $sim
args         = usage=100,20,0.02 usage=200,40,0.045 ok
max_parallel = 50

[greedy]
kind         = vibe
program      = $sim
args         = usage=100,20,0.04 usage=200,40,0.09 hang
max_parallel = 1
EOR
$node->start;
$node->safe_psql('postgres', 'CREATE DATABASE vo');
create_vibe($node, 'demo', 'greedy');

# A second session looks all the time, each time with a snapshot of its own.
my $watch = $node->background_psql('vo');
$watch->query_safe(<<'EOS');
CREATE TABLE seen (usd numeric NOT NULL);
CREATE PROCEDURE watch() LANGUAGE plpgsql AS $$
BEGIN
    WHILE NOT EXISTS (SELECT 1 FROM vibe.activities WHERE kind IN ('budget_reached', 'campaign_completed')) LOOP
        INSERT INTO seen SELECT coalesce(max(spent_usd + reserved_usd), 0) FROM vibe._campaign_budget(1);
        COMMIT;
    END LOOP;
END $$;
EOS

$node->safe_psql('vo', <<'EOS');
BEGIN;
SELECT vibe.create_pipeline('one', 'One', '{"main_steps": [{"order": 0, "label": "Created"}, {"order": 1, "agent": "demo", "label": "Do"}]}');
SELECT vibe.create_campaign(1, 'fifty', 'Fifty', pipeline_slug => 'one', target_article_count => 50, budget_usd => 1.00);
SELECT vibe.set_budget(1, 0.05, per => 'run');
COMMIT;
EOS
$watch->query_until(qr/watching/, "\\echo watching\nCALL watch();\n");
$node->safe_psql('vo', 'SELECT vibe.activate_campaign(1)');

ok(wait_for($node, "SELECT count(*) = 0 FROM vibe.runs WHERE ended_at IS NULL HAVING EXISTS (SELECT 1 FROM vibe.activities WHERE kind IN ('budget_reached', 'campaign_completed'))"),
	'they work until the ceiling is reached');
$watch->query_safe('SELECT 1');
$watch->quit;
is($node->safe_psql('vo', 'SELECT count(*), sum(cost_usd) FROM vibe.runs'), '22|0.99000000', 'as many as could be sure to fit');
is($node->safe_psql('vo', 'SELECT max(usd) <= 1.00, count(*) > 10 FROM seen'), 't|t', 'never above it, whenever anybody looked');
is($node->safe_psql('vo', <<'EOS'), '0', 'nor after any end or claim');
WITH change AS (
    SELECT claimed_at AS at, reserved_usd AS usd FROM vibe.runs
     UNION ALL SELECT ended_at, cost_usd - reserved_usd FROM vibe.runs
), level AS (SELECT sum(usd) OVER (ORDER BY at, usd) AS usd FROM change)
SELECT count(*) FROM level WHERE usd > 1.00
EOS
is($node->safe_psql('vo', "SELECT count(*) FROM vibe.activities WHERE kind = 'budget_reached'"), '1', 'it is told once');
is($node->safe_psql('vo', "SELECT count(*) FROM vibe.work WHERE state <> 'ready'"), '0', 'what is left is ready');
is($node->safe_psql('vo', "SELECT code FROM vibe.work w, vibe.why(w.task_id) LIMIT 1"), 'budget', 'and waits for money');

$node->safe_psql('vo', 'SELECT vibe.approve_budget(campaign_id => 1, usd => 2)');
ok(wait_for($node, "SELECT status = 'completed' FROM vibe.campaigns WHERE id = 1"), 'a person approves more: all goes on');
is($node->safe_psql('vo', 'SELECT runs, cost_usd::float8, unknown_cost_runs FROM vibe.cost_by_campaign'), '50|2.25|0', 'the cost of every run is known');

# one that spends more than it may
$node->safe_psql('vo', <<'EOS');
BEGIN;
SELECT vibe.create_pipeline('two', 'Two', '{"main_steps": [{"order": 0, "label": "Created"}, {"order": 1, "agent": "greedy", "label": "Do"}]}');
SELECT vibe.create_campaign(1, 'greedy', 'Greedy', pipeline_slug => 'two', target_article_count => 1, budget_usd => 1.00);
SELECT vibe.set_budget(2, 0.05, per => 'run');
SELECT vibe.activate_campaign(2);
COMMIT;
EOS
ok(wait_for($node, "SELECT count(*) = 1 FROM vibe.runs WHERE campaign_id = 2 AND ended_at IS NOT NULL"), 'it is ended');
is($node->safe_psql('vo', "SELECT outcome, error, cost_usd::float8 FROM vibe.runs WHERE campaign_id = 2"),
	'budget|spent 0.09 USD; its budget was 0.05|0.09', 'as over its budget, with what it spent');
is($node->safe_psql('vo', "SELECT detail ->> 'cost_usd' FROM vibe.activities WHERE kind = 'budget_overrun'"), '0.09', 'which is told');

$node->stop;
done_testing();
