# Files go when nobody needs them: by age, by size, and with what they belong to.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../perl";
use File::Path qw(make_path);
use PostgreSQL::Test::Utils;
use Test::More;
use VibeNode;

my $node = new_vibe_node('files', conf => "vibe_orchestrator.sweep_interval = 1s\nvibe_orchestrator.max_runs = 4\nlog_statement = none\n");
my $base = $node->basedir;

write_agent($node, 'demo', <<'EOA');
case $VIBE_CAMPAIGN in
big) head -c 600000 /dev/zero | tr '\0' x;;
deep) mkdir closed; touch closed/x; chmod 0 closed; ln -s "$BASE/keep" link; n=0
  while [ $n -lt 60 ]; do mkdir d; cd d || exit 1; touch f; n=$((n + 1)); done;;
open) while [ ! -e "$BASE/go" ]; do sleep 0.1; done;;
esac
EOA
make_path("$base/keep/inside");
create_vibe($node);

sub work_off
{
	my ($slug, $count) = @_;
	my $campaign = create_work($node, $slug, $count);
	wait_for($node, "SELECT status = 'completed' FROM vibe.campaigns WHERE id = $campaign");
	wait_until(sub { count_files(run_directory($node) . '/runs/*') == 0 }, 'empty runs/');
	return $campaign;
}

# more than there is room for: the oldest go
work_off('big', 6);
my $files = run_directory($node);
my @by_age = map { s{.*/}{}r } sort { (stat $a)[9] <=> (stat $b)[9] } glob("$files/done/*");
is(scalar(@by_age), 6, 'files of ended runs are kept');
my $second = 1;
utime time - 100 + $second, time - 100 + $second++, "$files/done/$_" for @by_age;
$node->append_conf('postgresql.conf', 'vibe_orchestrator.run_files_max = 3MB');
$node->reload;
ok(wait_until(sub { count_files("$files/done/*") < 6 }, 'room'), 'over run_files_max some go');
is(join(' ', sort map { s{.*/}{}r } glob("$files/done/*")), join(' ', sort @by_age[ 2 .. 5 ]), 'as many as it takes, the oldest first');
ok(wait_until(sub { count_files("$files/trash/*") == 0 }, 'empty trash/'), 'and are removed');
$node->append_conf('postgresql.conf', 'vibe_orchestrator.run_files_max = 0');
$node->reload;

# workspaces end some time after their tasks
my $deep = work_off('deep', 1);
my $open = create_work($node, 'open', 1);
my ($deep_task, $open_task) = map { $node->safe_psql('vo', "SELECT id FROM vibe.tasks WHERE campaign_id = $_") } ($deep, $open);
ok(-d "$files/workspaces/$deep_task", 'a workspace outlives its task');
wait_until(sub { -d "$files/workspaces/$open_task" }, 'workspace');
make_path("$files/workspaces/999999/main", "$files/workspaces/agent-x/main", "$files/done/888888");
$node->append_conf('postgresql.conf', 'vibe_orchestrator.workspace_retention = 0');
$node->reload;
ok(wait_until(sub { !-d "$files/workspaces/$deep_task" }, 'the end of a workspace'), 'for workspace_retention');
ok(wait_until(sub { count_files("$files/trash/*") == 0 }, 'empty trash/'), 'however deep and closed it is');
ok(-d "$base/keep/inside", 'but nothing that a link in it leads to');
ok(-d "$files/workspaces/$open_task", 'one that is worked in stays');
ok(-d "$files/workspaces/999999" && -d "$files/done/888888", 'and what the database does not know yet');

# a day later that is gone for good, together with a task that was deleted
my $run = $node->safe_psql('vo', "SELECT min(id) FROM vibe.runs WHERE task_id = $deep_task");
ok(-d "$files/done/$run", 'files of its run are there');
$node->safe_psql('vo', "DELETE FROM vibe.tasks WHERE id = $deep_task");
utime time - 86500, time - 86500, "$files/extension";
$node->reload;
ok(wait_until(sub { !-d "$files/workspaces/999999" && !-d "$files/done/888888" && !-d "$files/done/$run" }, 'the end of strangers'),
	'what the database does not know goes when the extension is a day old');
ok(-d "$files/workspaces/agent-x" && -d "$files/workspaces/$open_task", 'and nothing else');
is($node->safe_psql('vo', "SELECT count(*) FROM vibe.runs WHERE ended_at IS NULL"), 1, 'while a run goes on');
touch_file("$base/go");
ok(wait_until(sub { !-d "$files/workspaces/$open_task" }, 'the last workspace'), 'until it ends, too');
is_deeply([ log_lines($node, 'ERROR|FATAL|PANIC|WARNING|could not') ], [], 'the log has nothing to say');
$node->stop;
done_testing();
