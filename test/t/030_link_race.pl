# A supervisor that is slow to take its run, and a dispatcher that is replaced
# meanwhile: one of them gives way, so one agent runs.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../perl";
use PostgreSQL::Test::Utils;
use Test::More;
use VibeNode;

chomp(my $shim = `pg_config --bindir`);
$shim .= '/vibe_shim';
my $node = new_vibe_node('linkrace', start => 0);
my $base = $node->basedir;

# the wrapper holds the first run back until it is told to go on
my $wrapper = write_agent($node, 'slow_shim', <<"EOA");
if [ "\$1" = run ] && mkdir "\$BASE/held" 2>/dev/null; then
    echo \$\$ > "\$BASE/held/pid.tmp" && mv "\$BASE/held/pid.tmp" "\$BASE/held/pid"
    while [ ! -e "\$BASE/go" ]; do sleep 0.1; done
fi
exec '$shim' "\$@"
EOA
write_agent($node, 'demo', 'echo "$VIBE_RUN_ID" >> "$BASE/starts"; echo finished');
$node->append_conf('postgresql.conf', "vibe_orchestrator.shim_path = '$wrapper'");
$node->start;
$node->safe_psql('postgres', 'CREATE DATABASE vo');
create_vibe($node);

my $campaign = create_work($node, 'race', 1);
ok(wait_for_file("$base/held/pid"), 'a supervisor stands before its link');
chomp(my $held = slurp_file("$base/held/pid"));
my $pid = dispatcher_pid($node);
kill 'KILL', $pid;
wait_until_gone($pid);
wait_ready($node);

ok(wait_for($node, "SELECT count(*) = 1 FROM vibe.runs WHERE campaign_id = $campaign AND outcome = 'lost'"),
	'the next dispatcher abandons the run');
ok(wait_for($node, "SELECT status = 'completed' FROM vibe.campaigns WHERE id = $campaign"),
	'and its step is done by another');
touch_file("$base/go");
ok(wait_until_gone($held), 'the slow supervisor ends');
is(count_lines("$base/starts"), 1, 'without having started an agent');
is($node->safe_psql('vo', "SELECT string_agg(outcome || attempt, ' ' ORDER BY id) FROM vibe.runs WHERE campaign_id = $campaign"),
	'lost1 done1', 'and no attempt was used up');

$node->stop;
done_testing();
