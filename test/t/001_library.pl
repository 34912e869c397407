# Without shared_preload_libraries the library loads on demand: what needs no
# dispatcher works, the rest says how to configure one.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('library');
$node->init;
$node->append_conf('postgresql.conf', <<'EOC');
vibe_orchestrator.databases = 'postgres'
vibe_orchestrator.runner_config = '/nonexistent/runners.conf'
EOC
$node->start;

my ($status, $out, $err) = $node->psql('postgres', 'CREATE EXTENSION vibe_orchestrator');
is($status, 0, 'the extension is created without preload');
unlike($err, qr/WARNING|FATAL/, 'valid lines of the configuration cause no warning');

is( $node->safe_psql('postgres', "SET vibe_orchestrator.fake_now = '2030-01-02 03:04:05+00'; SET timezone = 'UTC'; SELECT vibe.clock()"),
	'2030-01-02 03:04:05+00',
	'the clock can be stopped');
is($node->safe_psql('postgres', 'SELECT abs(extract(epoch FROM vibe.clock() - now())) < 60'),
	't', 'and runs otherwise');
is($node->safe_psql('postgres', 'SELECT vibe._wake(true)'), 'f', 'a wake-up reaches no dispatcher');
is( $node->safe_psql('postgres', 'LISTEN vibe_dispatch; BEGIN; DO $$BEGIN PERFORM vibe._wake(true); END$$; COMMIT') =~
	  /Asynchronous notification "vibe_dispatch"/ ? 1 : 0,
	1, 'but listeners are notified');
is($node->safe_psql('postgres', 'SELECT vibe._dispatcher_pid() IS NULL'), 't', 'there is no dispatcher');
like($node->safe_psql('postgres', 'SELECT vibe._home_identity()'), qr{^\d+/\d+/\S+$}, 'the home has a name');

foreach my $function (qw(dispatcher_status runners))
{
	($status, $out, $err) = $node->psql('postgres', "\\set VERBOSITY verbose\nSELECT * FROM vibe.$function()");
	like($err, qr/ERROR:  VB050/, "$function() raises VB050");
	like($err, qr/HINT:.*shared_preload_libraries = 'vibe_orchestrator'\n.*vibe_orchestrator\.databases = 'postgres'/s,
		"and says what to configure");
}
foreach my $value ("'never'", "'infinity'", "'2030-13-01'")
{
	($status, $out, $err) = $node->psql('postgres', "LOAD 'vibe_orchestrator'; SET vibe_orchestrator.fake_now = $value");
	like($err, qr/invalid value for parameter/, "$value is no time to stop at");
}

done_testing();
