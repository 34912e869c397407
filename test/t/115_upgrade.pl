# Every released version, installed, filled and updated to this one, has the same catalogue as a fresh installation,
# down to comments, rights and what a dump takes; and what was stored goes on. The full scripts of released versions
# are frozen in sql/; without any there is nothing to update from.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../perl";
use PostgreSQL::Test::Utils;
use Test::More;
use VibeCatalogue;
use VibeNode;

command_ok(["$FindBin::Bin/../../scripts/check-version"], 'control file, changelog, frozen scripts and steps agree');

my $node = new_vibe_node('upgrade', conf => "vibe_orchestrator.databases = ''\n");
$node->safe_psql('vo', 'CREATE EXTENSION vibe_orchestrator');
my $fresh   = catalogue($node, 'vo');
my $current = $node->safe_psql('vo', 'SELECT extension FROM vibe.version()');
my @earlier = split /\n/,
  $node->safe_psql('vo', "SELECT version FROM pg_available_extension_versions WHERE name = 'vibe_orchestrator' AND version <> '$current' ORDER BY 1");

cmp_ok(scalar(@$fresh), '>', 500, 'a fresh catalogue has its lines');
is_deeply([ grep { !/^\w/ } @$fresh ], [], 'each of which names a kind of object');

# A change to each kind of object shows; otherwise "no difference" would mean little.
foreach my $change (
	"COMMENT ON FUNCTION vibe.clock() IS 'x'",
	'GRANT EXECUTE ON FUNCTION vibe.sweep TO vibe_agent',
	'ALTER FUNCTION vibe.clock() STABLE',
	'ALTER TABLE vibe.tasks ALTER priority DROP DEFAULT',
	'ALTER TABLE vibe.runs ADD x integer',
	"COMMENT ON COLUMN vibe.runs.id IS 'x'",
	'GRANT SELECT ON vibe.runs TO vibe_agent',
	'ALTER TABLE vibe.tasks DROP CONSTRAINT priority_is_known',
	'ALTER TABLE vibe.tasks DISABLE TRIGGER status_changes_are_legal',
	'ALTER SEQUENCE vibe.runs_id_seq INCREMENT 2',
	'ALTER EXTENSION vibe_orchestrator DROP VIEW vibe.now',
	"UPDATE vibe.agents SET default_model = 'x' WHERE name = 'vibe-humanizer'",
	"UPDATE pg_extension SET extcondition[array_position(extconfig, 'vibe.agents'::regclass)] = '' WHERE extname = 'vibe_orchestrator'")
{
	$node->safe_psql('postgres', 'CREATE DATABASE changed TEMPLATE vo');
	$node->safe_psql('changed', $change);
	ok(differences($fresh, catalogue($node, 'changed')), "seen: $change");
	$node->safe_psql('postgres', 'DROP DATABASE changed');
}

# Lines that only one of two lists has.
sub differences
{
	my ($left, $right) = @_;
	my %count;

	$count{$_}++ foreach @$left;
	$count{$_}-- foreach @$right;
	return map { ($count{$_} > 0 ? '- ' : '+ ') . $_ } grep { $count{$_} } sort keys %count;
}

# What a user has: rows of every sort that the first version knew, a run in flight.
my $fill = <<'EOQ';
SELECT FROM vibe.register_agent(name => 'mine', default_model => 'small');
SELECT FROM vibe.register_agent(name => 'vibe-humanizer', default_model => 'large');
SELECT FROM vibe.create_project(slug => 'p', name => 'P', root_path => '/srv/p');
SELECT FROM vibe.create_pipeline(slug => 'own', name => 'Own', definition => '{"main_steps": [
	{"agent": "mine", "label": "one", "output_dir": "drafts"}, {"agent": "mine", "label": "two"}]}');
SELECT FROM vibe.create_campaign(project_id => 1, slug => 'c', name => 'C', pipeline_slug => 'own', target_article_count => 3);
SELECT FROM vibe.activate_campaign(id => 1);
SELECT FROM vibe.acquire_lock(task_id => 1, agent_name => 'mine');
SELECT FROM vibe.complete_step(task_id => 1, agent_name => 'mine', output => '{"words": 7}', quality_score => 80);
EOQ
my $counts = q{
	SELECT string_agg(c.relname || ' ' || (xpath('/row/n/text()', query_to_xml(format('SELECT count(*) AS n FROM %s', c.oid::regclass), false, true, '')))[1], ', ' ORDER BY c.relname)
	  FROM pg_class c WHERE c.relnamespace = 'vibe'::regnamespace AND c.relkind = 'r' AND c.relname IN
	  ('projects', 'campaigns', 'tasks', 'work', 'runs', 'activities', 'agent_overrides')};

sub upgrades
{
	my ($version) = @_;
	my $db = "from_$version";

	$node->safe_psql('postgres', "CREATE DATABASE \"$db\"");
	$node->safe_psql($db, "CREATE EXTENSION vibe_orchestrator VERSION '$version'");
	$node->safe_psql($db, $fill);
	my $token = $node->safe_psql($db, "SELECT lock_token FROM vibe.acquire_lock(task_id => 1, agent_name => 'mine')");
	my $before = $node->safe_psql($db, $counts);

	$node->safe_psql($db, 'ALTER EXTENSION vibe_orchestrator UPDATE');
	is($node->safe_psql($db, 'SELECT extension FROM vibe.version()'), $current, 'is this version now');
	my @differences = differences($fresh, catalogue($node, $db));
	is(scalar(@differences), 0, 'its catalogue is that of a fresh installation')
	  or diag(join "\n", 'fresh -, updated +:', @differences);
	is($node->safe_psql($db, $counts), $before, 'every row is there');
	is($node->safe_psql($db, "SELECT tasks_completed, average_quality FROM vibe.get_agent('mine')"), '1|80.0', 'and so is what agents have done');
	is( $node->safe_psql($db, "SELECT task_completed FROM vibe.complete_step(task_id => 1, agent_name => 'mine', lock_token => '$token')"),
		't',
		'a token from before completes its step');
	is($node->safe_psql($db, "SELECT tasks_completed, average_quality FROM vibe.get_agent('mine')"), '1|80.0', 'of a task that its agent had a part in');
	return;
}

subtest "from $_" => sub { upgrades($_) }
  foreach @earlier;
SKIP:
{
	skip('no version is released: nothing in sql/ to update from', 1) if !@earlier;
	pass('from each released version: ' . join ' ', @earlier);
}
$node->stop;
done_testing();
