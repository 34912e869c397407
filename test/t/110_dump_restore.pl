# A dump holds everything that users and agents wrote, and a restored copy starts nothing by itself: what was
# running stays held until take_over(), and then costs no attempt.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../perl";
use PostgreSQL::Test::Utils;
use Test::More;
use VibeNode;

my $source = new_vibe_node('source');
$source->safe_psql('vo', 'CREATE EXTENSION vibe_orchestrator');

# Its dispatcher must not take the work that this test claims by hand.
$source->append_conf('postgresql.conf', "vibe_orchestrator.databases = ''");
$source->reload;
ok(wait_for($source, 'SELECT vibe._dispatcher_pid() IS NULL'), 'no dispatcher is left');

# At least one row of the user's own in every table that is dumped.
$source->safe_psql('vo', <<'EOQ');
SET vibe_orchestrator.retry_base = '1h';
INSERT INTO vibe.task_statuses (status, description) VALUES ('translated', 'is translated');
INSERT INTO vibe.task_transitions (from_status, to_status) VALUES ('backlog', 'translated'), ('translated', 'completed');
INSERT INTO vibe.output_statuses (output_dir, status) VALUES ('translations', 'translated');
SELECT vibe.register_agent('translator', runner => 'demo', default_model => 'small');
SELECT vibe.register_agent('vibe-humanizer', runner => 'demo');
SELECT vibe.create_project('p', 'P', root_path => '/srv/p');
SELECT vibe.create_pipeline('own', 'Own', '{"main_steps": [{"agent": "translator", "label": "one", "output_dir": "translations"},
	{"agent": "vibe-humanizer", "label": "two"}], "parallel_branches": [{"agent": "translator", "label": "Side", "trigger_after_step": 0}]}');
SELECT vibe.create_campaign(1, 'own', 'Own', pipeline_slug => 'own', target_article_count => 4, seed_keywords => ARRAY['a "quoted" one', E'a\ttab and a \\ backslash']);
SELECT vibe.create_campaign(1, 'preset', 'Preset', pipeline_slug => 'content-draft');
SELECT vibe.activate_campaign(1), vibe.activate_campaign(2);
SELECT vibe.acquire_lock(1, 'translator');
SELECT vibe.complete_step(1, 'translator', output => '{"words": 7}', quality_score => 80);
SELECT run_id FROM vibe._claim_runs('{demo}', '{2}', 2);
SELECT vibe._mark_started(ARRAY(SELECT id FROM vibe.runs WHERE started_by = 'dispatcher'), '{1,2}', '{1,2}', 'boot', 'ns');
SELECT vibe.acquire_lock(5, 'vibe-keyword-researcher');
SELECT vibe.fail_step(l.run_id, l.lock_token) FROM vibe.acquire_lock(6, 'vibe-keyword-researcher') l;
SELECT vibe.pause_campaign(2);
SELECT vibe.register_service_category('translation', 'Translates.');
SELECT vibe.register_service('mine', 'translation', env_var => 'MY_KEY', config => '{"region": "eu"}'), vibe.register_service('mail', 'email');
SELECT vibe.set_agent_services('translator', '{translation}', '{email}'), vibe.require_service('vibe-humanizer', 'plagiarism', false);
SELECT vibe.set_service_override(1, 'translation', '{mine}');
SELECT vibe.log_service_call('mine', 'rate_limited', retry_after => '1h', campaign_id => 1);
SELECT vibe.register_notification_kind('deadline_near', 'A deadline is near.');
SELECT vibe.set_notification_rule('deadline_near', 'telegram', true), vibe.set_notification_rule('task_completed', 'in_app', false);
SELECT vibe.notify('deadline_near', 'Tomorrow.', 'ann', dedup_key => 'tomorrow');
SELECT vibe.request_heartbeat('translator', 'after the restore');
EOQ

# Tables and sequences with what they hold, preset rows included; those are as old as the installation.
my $contents = q{
	SELECT format('SELECT %L, count(*) || '' rows '' || md5(coalesce(string_agg(x, '','' ORDER BY x), '''')) FROM (SELECT (to_jsonb(r) - %L)::text FROM %s r) r(x)',
	              c.oid::regclass, CASE WHEN c.relname IN ('agents', 'pipelines', 'pipeline_versions') THEN 'created_at' ELSE '' END, c.oid::regclass)
	  FROM pg_class c WHERE c.relnamespace = 'vibe'::regnamespace AND c.relkind = 'r' AND c.relname <> 'sweep_state'
	UNION ALL
	SELECT format('SELECT %L, ''at '' || last_value FROM %s', c.oid::regclass, c.oid::regclass)
	  FROM pg_class c WHERE c.relnamespace = 'vibe'::regnamespace AND c.relkind = 'S'
};

sub contents
{
	my ($node) = @_;
	my %said;

	foreach my $query (split /\n/, $node->safe_psql('vo', $contents))
	{
		my ($name, $what) = split /\|/, $node->safe_psql('vo', $query);
		$said{$name} = $what;
	}
	return \%said;
}

# "0 rows" of a table would prove nothing. Rows that came with the extension are not dumped.
my $empty = $source->safe_psql('vo', <<'EOQ');
SELECT string_agg(t, ' ') FROM (
	SELECT 'agents' WHERE NOT EXISTS (SELECT FROM vibe.agents WHERE NOT is_preset)
	UNION ALL SELECT 'agent_overrides' WHERE NOT EXISTS (SELECT FROM vibe.agent_overrides)
	UNION ALL SELECT 'pipelines' WHERE NOT EXISTS (SELECT FROM vibe.pipelines WHERE NOT is_preset)
	UNION ALL SELECT 'work' WHERE (SELECT count(DISTINCT state) FROM vibe.work) < 3
	UNION ALL SELECT 'runs' WHERE (SELECT count(*) FROM vibe.runs) < 5
	UNION ALL SELECT 'home' WHERE NOT EXISTS (SELECT FROM vibe.home)
	UNION ALL SELECT 'activities' WHERE NOT EXISTS (SELECT FROM vibe.activities)
	UNION ALL SELECT 'service_categories' WHERE NOT EXISTS (SELECT FROM vibe.service_categories WHERE NOT is_preset)
	UNION ALL SELECT 'services' WHERE NOT EXISTS (SELECT FROM vibe.services)
	UNION ALL SELECT 'agent_services' WHERE NOT EXISTS (SELECT FROM vibe.agent_services)
	UNION ALL SELECT 'service_overrides' WHERE NOT EXISTS (SELECT FROM vibe.service_overrides)
	UNION ALL SELECT 'service_calls' WHERE NOT EXISTS (SELECT FROM vibe.service_calls)
	UNION ALL SELECT 'notification_kinds' WHERE NOT EXISTS (SELECT FROM vibe.notification_kinds WHERE NOT is_preset)
	UNION ALL SELECT 'notification_rules' WHERE NOT EXISTS (SELECT FROM vibe.notification_rules)
	UNION ALL SELECT 'notifications' WHERE NOT EXISTS (SELECT FROM vibe.notifications)
	UNION ALL SELECT 'chores' WHERE NOT EXISTS (SELECT FROM vibe.chores)
	UNION ALL SELECT 'deliveries' WHERE NOT EXISTS (SELECT FROM vibe.deliveries)) missing(t)
EOQ
is($empty, '', 'every table has rows');

my $before = contents($source);
my $dump   = $source->basedir . '/vo.sql';
$source->command_ok([ 'pg_dump', '--no-sync', '-f', $dump, '-d', $source->connstr('vo') ],
	'pg_dump');
unlike(slurp_file($dump), qr/vibe-content-writer\tspecialist/, 'presets are not in the dump');
$source->stop;

my $copy = new_vibe_node('restored');
$copy->command_ok(
	[ 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-d', $copy->connstr('vo'), '-f', $dump ],
	'restores without an error');
is_deeply(contents($copy), $before,
	'the same rows in every table, the same place in every sequence');

# The dispatcher of the copy is there, and keeps its hands off.
ok(wait_for($copy, "SELECT state = 'foreign' FROM vibe.dispatcher_status()"),
	'its dispatcher finds a copy');
$copy->safe_psql('vo', 'SELECT vibe.sweep()');
my $held =
  "SELECT count(*) FROM vibe.work w JOIN vibe.runs r ON r.id = w.run_id WHERE r.started_by = 'dispatcher' AND r.closed_at IS NULL";
is($copy->safe_psql('vo', $held), '2', 'what was running stays held');

# Nothing may be claimed between the take-over and the look at what it did.
$copy->append_conf('postgresql.conf', "vibe_orchestrator.databases = ''");
$copy->reload;
ok(wait_for($copy, 'SELECT vibe._dispatcher_pid() IS NULL'), 'without a dispatcher');
is($copy->safe_psql('vo', 'SELECT runs_lost FROM vibe.take_over()'),
	'2', 'until somebody takes over');
is( $copy->safe_psql(
		'vo',
		"SELECT string_agg(r.outcome || ' ' || w.state || ' ' || w.attempts, ', ') FROM vibe.runs r JOIN vibe.work w USING (task_id, branch) WHERE r.started_by = 'dispatcher'"
	),
	'lost ready 0, lost ready 0',
	'then it is ready again, and no attempt is used');
is( $copy->safe_psql(
		'vo',
		"SELECT count(*) FROM vibe.runs r JOIN vibe.work w ON w.run_id = r.id WHERE r.started_by = 'hand'"
	),
	'1',
	'a lock held by hand stays');
is( $copy->safe_psql(
		'vo', "SELECT c.id FROM vibe.create_campaign(1, 'new', 'New', pipeline_slug => 'own') c"),
	'3',
	'new keys follow the old ones');

# A copy of the copy: what its presets are must not be doubled. One job: parallel ones would not keep the order that
# the foreign keys of an extension's tables need.
$copy->safe_psql('postgres', 'CREATE DATABASE again');
my $second = $copy->basedir . '/again.dump';
$copy->command_ok([ 'pg_dump', '--no-sync', '-Fc', '-f', $second, '-d', $copy->connstr('vo') ],
	'pg_dump -Fc');
$copy->command_ok([ 'pg_restore', '--exit-on-error', '-d', $copy->connstr('again'), $second ],
	'pg_restore');
is( $copy->safe_psql(
		'again',
		'SELECT count(*) FILTER (WHERE is_preset), count(*) FILTER (WHERE NOT is_preset) FROM vibe.agents'
	),
	$copy->safe_psql(
		'vo',
		'SELECT count(*) FILTER (WHERE is_preset), count(*) FILTER (WHERE NOT is_preset) FROM vibe.agents'
	),
	'presets are there once');
$copy->stop;
done_testing();
