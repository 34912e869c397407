# The plain script of `make sql-only`: a database owner who is no superuser sets it up on a server without the library,
# and workers elsewhere carry a campaign to its end. What it holds is what the extension holds, but for the functions
# that sql/without_library.sql replaces.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../perl";

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use VibeCatalogue;
use VibeNode;

my $script = "${PostgreSQL::Test::Utils::tmp_check}/sql_only.sql";
ok(system("'$FindBin::Bin/../../scripts/make-sql-only' >'$script'") == 0, 'the script is written');

my $node = PostgreSQL::Test::Cluster->new('plain');
$node->init;
$node->start;
$node->safe_psql('postgres', 'CREATE ROLE app_owner LOGIN; CREATE ROLE worker LOGIN; CREATE DATABASE app OWNER app_owner');

# psql as one of them: standard output, standard error.
sub as_role
{
	my ($role, $sql, @more) = @_;
	my ($out, $err);
	local $ENV{PGUSER} = $role;
	$node->psql('app', $sql, stdout => \$out, stderr => \$err, @more);
	return ($out, $err);
}

sub install
{
	return (run_command([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-v', 'VERBOSITY=verbose', '-o', '/dev/null', '-d', $node->connstr('app'), '-U', 'app_owner', '-f', $script ]))[1];
}

my $refusal = install();
like($refusal, qr/ERROR:  VB061: role "vibe_viewer" is missing/, 'where the roles are missing, it says so');
my ($remedy) = $refusal =~ /HINT:  Once, as a role that may: (.*)$/m or fail('and what to do');
is($node->safe_psql('app', "SELECT count(*) FROM pg_namespace WHERE nspname = 'vibe'"), '0', 'and leaves nothing behind');
$node->safe_psql('postgres', $remedy);
is(install(), '', 'with the roles there, the owner of the database installs it without a word');
is($node->safe_psql('app', q{
	SELECT count(*) FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang WHERE p.pronamespace = 'vibe'::regnamespace AND l.lanname = 'c'}),
	'0', 'nothing of it is in a library');

# What it does.
$node->safe_psql('postgres', 'GRANT vibe_operator TO worker');
my ($out, $err) = as_role('app_owner', q{
	SELECT id FROM vibe.create_project('site', 'Site');
	SELECT count(*) FROM vibe.register_agent('writer', max_parallel => 2) w, vibe.register_agent('reviewer') r;
	SELECT slug FROM vibe.create_pipeline('line', 'Line', '{"main_steps": [{"order": 0, "label": "Created"},
		{"order": 1, "label": "Write", "agent": "writer", "output_dir": "drafts"}, {"order": 2, "label": "Review", "agent": "reviewer"}],
		"parallel_branches": [{"label": "Image", "agent": "reviewer", "trigger_after_step": 1}]}');
	SELECT id FROM vibe.create_campaign(1, 'spring', 'Spring', pipeline_slug => 'line', target_article_count => 3);
	SELECT count(*) FROM vibe.activate_campaign(1);
	SELECT code, next_call FROM vibe.why(1);
	SELECT count(*) FROM vibe.queue;
}, on_error_stop => 1);
is($err, '', 'the owner sets up a campaign');
like($out, qr/^ready\|SELECT \* FROM vibe\.claim_runs\('\{writer\}'\);\n3$/m, 'why() names the call that a worker makes');

my $claim = q{SELECT string_agg(format('{"task_id": %s, "agent_name": "%s", "lock_token": "%s", "branch": "%s"}', c.task_id, c.agent_name, c.lock_token, c.branch), ', ')
	FROM vibe.claim_runs('{writer,reviewer}', 10) c};
($out) = as_role('worker', $claim);
is(() = $out =~ /"writer"/g, 2, 'a worker claims what the agent\'s limit leaves');
my ($again) = as_role('worker', $claim);
is($again, '', 'and no more');
my $done = 0;
for (1 .. 10)
{
	last if $out eq '';
	($again, $err) = as_role('worker', "LISTEN vibe_dispatch; SELECT count(*) FROM vibe.complete_steps('[$out]') WHERE completed");
	is($err, '', 'steps are completed') if $err ne '';
	like($again, qr/Asynchronous notification "vibe_dispatch"/, 'and listeners are told') if !$done;
	$done += $again =~ /^(\d+)/ ? $1 : 0;
	($out) = as_role('worker', $claim);
}
is($done, 9, 'nine steps, branches included, are completed');
is($node->safe_psql('app', 'SELECT status FROM vibe.campaigns'), 'completed', 'and the campaign with them');

# Limits are counted under a lock that others cannot take.
($out) = as_role('app_owner', "BEGIN;\nSELECT vibe._try_lock_limit('agent writer');\n\\! psql -XAtq -d '" . $node->connstr('app')
	. "' -U app_owner -c \"SELECT vibe._try_lock_limit('agent writer')\" -c \"SELECT vibe._try_lock_limit('agent reviewer')\"\nCOMMIT;");
is($out, "t\nf\nt", 'the lock of a limit');
(undef, $err) = as_role('worker', 'SELECT 1 FROM vibe.limit_locks FOR UPDATE');
like($err, qr/permission denied/, 'is not for others to hold');

# What needs the library says so.
foreach my $call ('dispatcher_status()', 'runners()', 'run_log(1)', 'explain_run(1)', "request_heartbeat('writer')")
{
	(undef, $err) = as_role('app_owner', "\\set VERBOSITY verbose\nSELECT * FROM vibe.$call");
	like($err, qr/ERROR:  VB050: .* needs the library\n.*HINT:  Workers elsewhere call vibe\.claim_runs\(\)/s, "$call raises VB050");
}
is($node->safe_psql('app', "SELECT string_agg(check_name, ' ') FROM vibe.health() WHERE status = 'fail'"), '', 'health() finds nothing that fails');
($out, $err) = as_role('app_owner', 'SELECT swept FROM vibe.sweep()');
is("$out$err", 't', 'the sweep runs');
(undef, $err) = as_role('worker', "UPDATE vibe.settings SET value = '1s' WHERE name = 'lock_steal_after'");
like($err, qr/permission denied/, 'settings are the owner\'s');
($out) = as_role('app_owner', q{UPDATE vibe.settings SET value = '7min' WHERE name = 'lease_duration';
	SELECT id FROM vibe.create_campaign(1, 'summer', 'Summer', pipeline_slug => 'line', target_article_count => 1);
	SELECT count(*) FROM vibe.activate_campaign(2);
	SELECT lease_expires_at - vibe.clock() > interval '6min' FROM vibe.tasks t, vibe.acquire_lock(t.id, 'writer') WHERE t.campaign_id = 2});
like($out, qr/^t$/m, 'and count from the next call on');

# What the extension has, this has.
my $other = new_vibe_node('extension');
$other->safe_psql('vo', 'CREATE EXTENSION vibe_orchestrator');
my $replaced = join '|', slurp_file("$FindBin::Bin/../../sql/without_library.sql") =~ /^CREATE FUNCTION vibe\.(\w+)\(/mg;
my $own = qr/settings|limit_locks|_needs_library/;
my $kinds = qr/^(?:function|relation|column|constraint|index|trigger|rule|sequence|type) \| /;

# Objects with their rights; not those of the owner, whose name differs, and each once: an extension's stand in a second
# place, too.
sub objects
{
	my ($server, $db) = @_;
	my @objects;
	foreach my $line (@{ catalogue($server, $db) })
	{
		next if $line !~ $kinds || $line =~ /^function \| vibe\.(?:$replaced)\(/ || $line =~ /^\w+ \| (?:CREATE UNIQUE INDEX \w+ ON )?vibe\.(?:$own)/;
		my %rights;
		$line =~ s/ \| ((?:\w+:[A-Z*]+ ?)+)(?= \||\z)/@rights{split ' ', $1} = (); ''/ge;
		push @objects, join ' ', $line, grep { !/^(?:postgres|app_owner):/ } sort keys %rights;
	}
	return [ sort @objects ];
}

my $ours = objects($node, 'app');
cmp_ok(@$ours, '>', 1500, 'objects are compared');
is_deeply($ours, objects($other, 'vo'), 'it is the extension\'s schema');
my $signatures = qq{
	SELECT p.proname, pg_get_function_identity_arguments(p.oid), pg_get_function_result(p.oid), p.provolatile, p.prosecdef, p.proisstrict
	  FROM pg_proc p WHERE p.pronamespace = 'vibe'::regnamespace AND p.proname ~ '^($replaced)\$' AND p.proname <> '_needs_library' ORDER BY 1, 2};
is($node->safe_psql('app', $signatures), $other->safe_psql('vo', $signatures), 'functions that are replaced look as before');
my $defaults = q{SELECT s.name, 'vibe_orchestrator.' || s.name, s.value FROM vibe.settings s ORDER BY 1};
foreach my $row (split /\n/, $node->safe_psql('app', q{DELETE FROM vibe.settings WHERE name = 'lease_duration'; INSERT INTO vibe.settings VALUES ('lease_duration', '5min'); SELECT name, value FROM vibe.settings ORDER BY name}))
{
	my ($name, $value) = split /\|/, $row;
	my $same = $name =~ /^(notify|max_runs)$/
	  ? "SELECT boot_val = '$value' FROM pg_settings WHERE name = 'vibe_orchestrator.$name'"
	  : "SELECT boot_val::interval * CASE unit WHEN 'ms' THEN 0.001 ELSE 1 END = '$value'::interval FROM pg_settings WHERE name = 'vibe_orchestrator.$name'";
	is($other->safe_psql('postgres', "LOAD 'vibe_orchestrator'; $same"), 't', "the default of $name");
}

done_testing();
