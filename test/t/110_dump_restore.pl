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
SELECT vibe.update_agent('vibe-orchestrator', '{"heartbeat_schedule": null, "max_parallel": 2}');
SELECT vibe.set_agent_paused('vibe-ad-writer', true);
SELECT vibe.agent_heartbeat('translator');
SELECT vibe.register_skill('style', 'House style', 'skills/style', description => 'How we write.');
SELECT vibe.register_skill('words', 'Words', '/srv/skills/words', kind => 'reference');
SELECT vibe.set_agent_skills('vibe-humanizer', '{words,style}');
SELECT vibe.set_agent_skills('translator', '{style}');
SELECT vibe.create_project('p', 'P', root_path => '/srv/p');
SELECT vibe.create_pipeline('own', 'Own', '{"main_steps": [{"agent": "translator", "label": "one", "output_dir": "translations"},
	{"agent": "vibe-humanizer", "label": "two"}], "parallel_branches": [{"agent": "translator", "label": "Side", "trigger_after_step": 0}]}');
SELECT vibe.fork_pipeline(3, 'forked', 'Forked');
SELECT vibe.set_step_models(1001, '{"3": "opus", "Hero Image": "haiku"}');
SELECT vibe.create_pipeline('old', 'Old', '{"mainSteps": [{"agent": "translator", "label": "one"}]}', category => 'past');
SELECT vibe.create_campaign(1, 'own', 'Own', pipeline_slug => 'own', target_article_count => 4, seed_keywords => ARRAY['a "quoted" one', E'a\ttab and a \\ backslash']);
SELECT vibe.create_campaign(1, 'preset', 'Preset', pipeline_slug => 'content-draft');
SELECT vibe.activate_campaign(1), vibe.activate_campaign(2);
SELECT vibe.create_campaign(1, 'ended', 'Ended', pipeline_slug => 'old');
SELECT vibe.cancel_campaign(3);
SELECT vibe.delete_pipeline(1002);
SELECT vibe.acquire_lock(1, 'translator');
SELECT vibe.complete_step(1, 'translator', output => '{"words": 7}', quality_score => 80);
SELECT run_id FROM vibe._claim_runs('{demo}', '{2}', 2);
SELECT vibe._mark_started(ARRAY(SELECT id FROM vibe.runs WHERE started_by = 'dispatcher'), '{1,2}', '{1,2}', 'boot', 'ns');
SELECT vibe.acquire_lock(5, 'vibe-keyword-researcher');
SELECT vibe.fail_step(l.run_id, l.lock_token) FROM vibe.acquire_lock(6, 'vibe-keyword-researcher') l;
SELECT vibe.cancel_branch(4, 'Side');
SELECT vibe.pause_campaign(2);
UPDATE vibe.campaigns SET backlog_threshold = 9 WHERE id = 1;
SELECT vibe._ask_for_topics(vibe.clock());
SELECT vibe.set_provider_limit('anthropic', 4), vibe.pause_provider('openai', '2100-01-01');
SELECT vibe.register_service_category('translation', 'Translates.');
SELECT vibe.register_service('mine', 'translation', env_var => 'MY_KEY', config => '{"region": "eu"}'), vibe.register_service('mail', 'email');
SELECT vibe.set_agent_services('translator', '{translation}', '{email}'), vibe.require_service('vibe-humanizer', 'plagiarism', false);
SELECT vibe.set_service_override(1, 'translation', '{mine}');
SELECT vibe.log_service_call('mine', 'rate_limited', retry_after => '1h', campaign_id => 1);
SELECT vibe.register_notification_kind('deadline_near', 'A deadline is near.');
SELECT vibe.set_notification_rule('deadline_near', 'telegram', true), vibe.set_notification_rule('task_completed', 'in_app', false);
SELECT vibe.notify('deadline_near', 'Tomorrow.', 'ann', dedup_key => 'tomorrow');
SELECT vibe.create_task(1, 'by hand', 1, idempotency_key => 'key', assignees => '{translator}'), vibe.add_subscriber(1, 'ann');
SELECT vibe.create_task(1, 'single', pipeline_slug => 'own');
SELECT vibe.update_campaign(1, '{"max_parallel": 40, "backlog_threshold": 2, "backlog_agent": "translator"}');
SELECT vibe.set_price('small', 1, 5), vibe.set_daily_budget(1000), vibe.set_run_budget(2, 'translator'), vibe.set_budget(1, 50), vibe.set_budget(1, 9, per => 'task');
SELECT vibe.approve_budget(task_id => 2, usd => 1);
INSERT INTO vibe.budget_crossings VALUES ('campaign_budget 2', 1, '2030-01-01', now());
SELECT vibe._merge_usage(1);
SELECT vibe.request_heartbeat('translator', 'after the restore');
EOQ

# Tables and sequences with what they hold, preset rows included; those are as old as the installation.
my $contents = q{
	SELECT format('SELECT %L, count(*) || '' rows '' || md5(coalesce(string_agg(x, '','' ORDER BY x), '''')) FROM (SELECT (to_jsonb(r) - %L)::text FROM %s r) r(x)',
	              c.oid::regclass, CASE WHEN c.relname IN ('agents', 'pipelines', 'pipeline_versions') THEN 'created_at' ELSE '' END, c.oid::regclass)
	  FROM pg_class c WHERE c.relnamespace = 'vibe'::regnamespace AND c.relkind = 'r' AND c.relname NOT IN ('sweep_state', 'health_history', 'run_marks')
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

# A table without rows would prove nothing, so each one that is dumped has some that its condition lets through. When
# this names a table, give it rows above.
my $is_empty = $source->safe_psql('vo', q{
	SELECT string_agg(format('SELECT %L WHERE NOT EXISTS (SELECT FROM %s %s)', c.oid::regclass, c.oid::regclass, d.condition), ' UNION ALL ')
	  FROM pg_extension e, unnest(e.extconfig, e.extcondition) d(rel, condition) JOIN pg_class c ON c.oid = d.rel
	 WHERE e.extname = 'vibe_orchestrator' AND c.relkind = 'r'});
is($source->safe_psql('vo', $is_empty), '', 'every table that is dumped has rows of the user');
is($source->safe_psql('vo', 'SELECT count(DISTINCT state) FROM vibe.work'), '3', 'work is ready, waiting and held');

# What people are told, at one time.
my $answers = q{
	SET vibe_orchestrator.fake_now = '2040-01-01 00:00:00+00'; SET timezone = 'UTC';
	SELECT to_jsonb(p) FROM vibe.campaigns c, vibe.campaign_progress(c.id) p ORDER BY c.id;
	SELECT vibe.get_task_pipeline_status(t.id) FROM vibe.tasks t ORDER BY t.id;
	SELECT to_jsonb(q) FROM vibe.queue q ORDER BY task_id, branch;
	SELECT to_jsonb(n) FROM vibe.now n ORDER BY run_id;
	SELECT to_jsonb(a) FROM vibe.current_agents a ORDER BY name;
	SELECT * FROM vibe.find_stale_locks(older_than => '1 day') ORDER BY run_id;
	SELECT vibe._launch(r, NULL) FROM vibe.runs r ORDER BY r.id;
};
my $answered = $source->safe_psql('vo', $answers);
my $roles = "SELECT string_agg(rolname, ' ' ORDER BY rolname) FROM pg_roles WHERE rolname LIKE 'vibe%'";

my $before = contents($source);
my $dump   = $source->basedir . '/vo.sql';
$source->command_checks_all([ 'pg_dump', '--no-sync', '-f', $dump, '-d', $source->connstr('vo') ],
	0, [qr/^$/], [qr/^$/], 'pg_dump, without a warning');
unlike(slurp_file($dump), qr/vibe-content-writer\tspecialist/, 'presets are not in the dump');
$source->stop;

my $copy = new_vibe_node('restored');
is($copy->safe_psql('vo', $roles), '', 'a server that has none of the roles');
$copy->command_ok(
	[ 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-d', $copy->connstr('vo'), '-f', $dump ],
	'restores without an error');
is_deeply(contents($copy), $before,
	'the same rows in every table, the same place in every sequence');
is($copy->safe_psql('vo', $answers), $answered, 'the same answers');
is( $copy->safe_psql('vo', $roles),
	'vibe_admin vibe_agent vibe_operator vibe_viewer',
	'the roles were made with the extension');
is( $copy->safe_psql('vo', "SELECT has_function_privilege('vibe_operator', 'vibe.sweep()', 'EXECUTE') AND has_table_privilege('vibe_viewer', 'vibe.runs', 'SELECT')"),
	't',
	'and have their rights');

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
is($copy->safe_psql('vo', 'SELECT runs_lost FROM vibe.take_over()'), '0', 'a second time there is nothing to lose');
is( $copy->safe_psql('vo', <<'EOQ'), '2', 'each of them starts once more, and only once');
BEGIN;
DO $$ BEGIN PERFORM vibe._claim_runs('{demo}', '{9}', 9); PERFORM vibe._claim_runs('{demo}', '{9}', 9); END $$;
SELECT count(*) FROM vibe.runs r JOIN vibe.runs l USING (task_id, branch)
 WHERE r.started_by = 'dispatcher' AND r.closed_at IS NULL AND l.outcome = 'lost';
ROLLBACK;
EOQ
is( $copy->safe_psql(
		'vo',
		"SELECT count(*) FROM vibe.runs r JOIN vibe.work w ON w.run_id = r.id WHERE r.started_by = 'hand'"
	),
	'1',
	'a lock held by hand stays');
is( $copy->safe_psql(
		'vo', "SELECT c.id FROM vibe.create_campaign(1, 'new', 'New', pipeline_slug => 'own') c"),
	'4',
	'new keys follow the old ones');
is( $copy->safe_psql(
		'vo', "SELECT row(heartbeat_schedule, max_parallel, runner) FROM vibe.get_agent('vibe-orchestrator')"),
	'(,2,default)',
	'what was changed and cleared on a preset agent stays so');
is( $copy->safe_psql('vo', "SELECT string_agg(slug, ' ') FROM vibe.list_agent_skills('vibe-humanizer')"),
	'words style',
	'and its skills');
is( $copy->safe_psql(
		'vo', "SELECT version, kind, forked_from FROM vibe.get_pipeline_by_slug('forked')"),
	'2|fork|3',
	'a fork of a preset has its versions');

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
