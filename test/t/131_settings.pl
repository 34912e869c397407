# What decides over what is executed stands in the configuration files: nobody can put it anywhere else, not even who
# was given the right to use ALTER SYSTEM. And a setting that was made before the library was loaded is not taken from
# a role that may not make it afterwards.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../perl";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use VibeNode;

my $node = new_vibe_node('settings', conf => "vibe_orchestrator.databases = ''\n");
$node->safe_psql('vo', 'CREATE EXTENSION vibe_orchestrator; CREATE ROLE deputy LOGIN');
foreach my $setting (qw(runner_config run_directory shim_path allow_same_user))
{
	my $value = $setting eq 'allow_same_user' ? 'on' : "'/tmp/x'";

	foreach my $login ('deputy', scalar getpwuid($<))
	{
		$node->safe_psql('vo', "GRANT ALTER SYSTEM, SET ON PARAMETER vibe_orchestrator.$setting TO deputy");
		foreach my $statement ("ALTER SYSTEM SET vibe_orchestrator.$setting = $value", "SET vibe_orchestrator.$setting = $value",
			"ALTER DATABASE vo SET vibe_orchestrator.$setting = $value")
		{
			my ($status, $out, $err) = $node->psql('vo', $statement, extra_params => [ '-U', $login ]);
			like($err, qr/cannot be (changed|set)|must be owner/, "$login: $statement");
		}
	}
}
$node->stop;

my $plain = PostgreSQL::Test::Cluster->new('plain');
$plain->init;
$plain->start;
$plain->safe_psql('postgres', 'CREATE EXTENSION vibe_orchestrator; CREATE ROLE viewer LOGIN; GRANT vibe_viewer TO viewer');
my ($status, $out, $err) = $plain->psql(
	'postgres',
	"SET vibe_orchestrator.fake_now = '2001-01-01 00:00+00'; SELECT vibe.clock() > '2020-01-01'",
	extra_params => [ '-U', 'viewer' ]);
is($out, 't', 'a clock set before the library was there is not taken from a plain role');
like($err, qr/permission denied to set parameter/, 'which is told so');
$plain->stop;
done_testing();
