# A standby runs no agents; promoted, it does, but not beside the old primary.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../perl";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use VibeNode;

my $primary = new_vibe_node('primary', init => { allows_streaming => 1 });
my $workers = "SELECT count(*) FROM pg_stat_activity WHERE backend_type LIKE 'vibe %'";

write_agent($primary, 'demo', 'echo finished');
create_vibe($primary);
$primary->backup('copy');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'copy', has_streaming => 1);
$standby->start;
$primary->wait_for_catchup($standby);
is($standby->safe_psql('postgres', $workers), '0', 'a standby has no launcher and no dispatcher');
is($standby->safe_psql('vo', 'SELECT vibe._dispatcher_pid() IS NULL'), 't', 'and functions say so');

# same machine, same run directory: its lock tells the two apart
$standby->promote;
ok(wait_for($standby, "SELECT state = 'blocked' AND problem LIKE '%in use by another server%' FROM vibe.dispatcher_status()"),
	'promoted beside a living primary it is blocked');
my $campaign = create_work($standby, 'promoted', 1);
$primary->stop;
ok(wait_for($standby, "SELECT status = 'completed' FROM vibe.campaigns WHERE id = $campaign"),
	'with the primary gone it works');
$standby->stop;
done_testing();
