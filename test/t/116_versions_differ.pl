# While the loaded library and the installed extension are of different versions, no run is started, the status names
# the next step, and everything else goes on: verbs, and the ends of runs. The poll interval is an hour, so it is the
# claim that finds out.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../perl";
use PostgreSQL::Test::Utils;
use Test::More;
use VibeNode;

my $node = new_vibe_node('versions',
	conf => "vibe_orchestrator.poll_interval = 1h\nlog_line_prefix = '%m [%p] %e '\n");
my $base = $node->basedir;

write_agent($node, 'demo', <<'EOA');
echo "$VIBE_RUN_ID" >> "$BASE/starts"
while [ ! -e "$BASE/go" ]; do sleep 0.1; done
echo finished
EOA
create_vibe($node);
my $version = $node->safe_psql('vo', 'SELECT extension FROM vibe.version()');
my $campaign = create_work($node, 'running', 1, 'demo', 'demo');
ok(wait_until(sub { count_lines("$base/starts") == 1 }, 'an agent'), 'an agent runs');

# As an update or a downgrade would, but without the wake-up that comes with one.
sub set_version
{
	$node->safe_psql('vo', "UPDATE pg_extension SET extversion = '$_[0]' WHERE extname = 'vibe_orchestrator'");
	return;
}

sub is_blocked
{
	my ($problem, $what) = @_;
	return ok(
		wait_for(
			$node,
			"SELECT state = 'blocked' AND problem = 'the library is version $version, the extension $problem' FROM vibe.dispatcher_status()"
		),
		$what);
}

set_version('1000.0');
is($node->safe_psql('vo', 'SELECT * FROM vibe.version()'), "$version|1000.0", 'both versions are shown');
my $second = create_work($node, 'late', 1);
is($node->safe_psql('vo', "SELECT status FROM vibe.campaigns WHERE id = $second"), 'active', 'verbs work');
is_blocked('1000.0: restart the server, which then loads the new library', 'a newer extension blocks the claim');
ok(scalar(log_lines($node, 'VB051 LOG: .*library and extension versions differ')), 'the log has the code');
is($node->safe_psql('vo', "SELECT count(*) FROM vibe.runs WHERE campaign_id = $second"), '0', 'nothing was claimed');

touch_file("$base/go");
ok( wait_for($node, "SELECT outcome = 'done' AND ended_at IS NOT NULL FROM vibe.runs WHERE campaign_id = $campaign"),
	'what runs is taken in when it ends');
is($node->safe_psql('vo', "SELECT step || state FROM vibe.work w WHERE campaign_id = $campaign"), '2ready', 'its next step is ready');

set_version('0.0.9');
$node->reload;
is_blocked('0.0.9: ALTER EXTENSION vibe_orchestrator UPDATE', 'an older extension blocks it, too');
is(count_lines("$base/starts"), 1, 'no agent was started meanwhile');

# An update wakes the dispatcher by itself. One to the same version does nothing, so this takes another change.
set_version($version);
$node->safe_psql('vo', 'CREATE FUNCTION public.f() RETURNS int LANGUAGE sql RETURN 1; ALTER EXTENSION vibe_orchestrator ADD FUNCTION public.f()');
ok( wait_for($node, "SELECT count(*) = 2 FROM vibe.campaigns WHERE status = 'completed'"),
	'once they agree the work goes on');
is(count_lines("$base/starts"), 3, 'each step was done once');
$node->stop;
done_testing();
