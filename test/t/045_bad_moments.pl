# Errors of one run, one statement or one moment do not stop the others.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../perl";
use PostgreSQL::Test::Utils;
use Test::More;
use VibeNode;

my $node = new_vibe_node('bad', conf => "log_statement = none\n");
my $base = $node->basedir;

write_agent($node, 'demo', <<'EOA');
while [ -e "$BASE/hold" ]; do sleep 0.1; done
mkdir -p "$(dirname "$VIBE_OUTPUT_FILE")"
echo text > "$VIBE_OUTPUT_FILE"
case $VIBE_CAMPAIGN$VIBE_TASK_ID in poison*[05]) echo poison;; *) echo fine;; esac
EOA
create_vibe($node);

# a record that the database refuses, among others
$node->safe_psql('vo', <<'EOS');
CREATE FUNCTION public.refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.output_tail LIKE 'poison%' THEN
        RAISE EXCEPTION USING ERRCODE = '22023', MESSAGE = 'this text is refused';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER refuse BEFORE UPDATE ON vibe.runs FOR EACH ROW EXECUTE FUNCTION public.refuse();
EOS
touch_file("$base/hold");
my $campaign = create_work($node, 'poison', 6);
wait_for($node, "SELECT count(*) = 6 FROM vibe.runs WHERE pid IS NOT NULL");
unlink "$base/hold";
ok(wait_for($node, "SELECT status = 'completed' FROM vibe.campaigns WHERE id = $campaign"),
	'runs with a refused record end, too');
is($node->safe_psql('vo', "SELECT outcome, exit_code, output_tail IS NULL, count(*) FROM vibe.runs WHERE campaign_id = $campaign GROUP BY 1, 2, 3 ORDER BY 3"),
	"done|0|f|5\ndone|0|t|1", 'with their outcome and exit code');
is(scalar(my @said = log_lines($node, 'could not record the end of run \d+: this text is refused')), 1, 'the log says so once');
$node->safe_psql('vo', 'DROP TRIGGER refuse ON vibe.runs');

# a lock that somebody keeps longer than the dispatcher waits for one
touch_file("$base/hold");
$campaign = create_work($node, 'locked', 2);
wait_for($node, "SELECT count(*) = 2 FROM vibe.runs WHERE campaign_id = $campaign AND pid IS NOT NULL");
my $holder = $node->background_psql('vo');
$holder->query_safe("BEGIN; SELECT id FROM vibe.tasks WHERE campaign_id = $campaign ORDER BY id LIMIT 1 FOR UPDATE");
unlink "$base/hold";
ok(wait_for($node, "SELECT count(*) = 1 FROM vibe.runs WHERE campaign_id = $campaign AND ended_at IS NOT NULL"),
	'the run that nobody has locked ends');
is($node->safe_psql('vo', "SELECT status FROM vibe.campaigns WHERE id = $campaign"), 'active', 'the other waits');
$holder->query_safe('COMMIT');
$holder->quit;
ok(wait_for($node, "SELECT status = 'completed' FROM vibe.campaigns WHERE id = $campaign"), 'and ends after the lock is gone');
is($node->safe_psql('vo', "SELECT string_agg(outcome, ' ') FROM vibe.runs WHERE campaign_id = $campaign"), 'done done', 'as what it was');

# a statement that fails leaves the others alone
$node->safe_psql('vo', 'ALTER FUNCTION vibe._promote_due() RENAME TO _promote_due_away');
$campaign = create_work($node, 'broken', 1);
ok(wait_for($node, "SELECT status = 'completed' FROM vibe.campaigns WHERE id = $campaign"), 'work goes on without back-offs');
ok(wait_for($node, "SELECT problem LIKE 'ending back-offs: %' FROM vibe.dispatcher_status()"), 'the status says what fails');
is(scalar(@said = log_lines($node, 'vibe dispatcher failed while ending back-offs')), 1, 'the log once');
$node->safe_psql('vo', 'ALTER FUNCTION vibe._promote_due_away() RENAME TO _promote_due');
ok(wait_for($node, "SELECT problem IS NULL FROM vibe.dispatcher_status()"), 'and it is over when it is repaired');

# output that cannot be published
mkdir "$base/site/projects/site/campaigns/unwritable";
append_to_file("$base/site/projects/site/campaigns/unwritable/drafts", 'in the way');
$campaign = create_work($node, 'unwritable', 1);
ok(wait_for($node, "SELECT status = 'completed' FROM vibe.campaigns WHERE id = $campaign"), 'a task ends though its output cannot be published');
ok(wait_until(sub { log_lines($node, 'could not publish the output of run') == 1 }, 'the line'), 'the log says so');
unlink "$base/site/projects/site/campaigns/unwritable/drafts";
ok(wait_until(sub { count_files("$base/site/projects/site/campaigns/unwritable/drafts/*.md") == 1 }, 'the file'),
	'and it is published when it can be');

# never into the server's own directories
my $inside = $node->data_dir;
$node->safe_psql('vo', "UPDATE vibe.projects SET root_path = '$inside'");
$campaign = create_work($node, 'inside', 1);
ok(wait_for($node, "SELECT status = 'completed' FROM vibe.campaigns WHERE id = $campaign"), 'a task whose project lies in the data directory ends');
ok(wait_until(sub { log_lines($node, 'could not publish the output of run') == 2 }, 'the line'), 'its output is refused');
ok(!-e "$inside/projects", 'and nothing is made there');

# library and extension of different versions
$node->safe_psql('vo', "UPDATE pg_extension SET extversion = '0.0.0' WHERE extname = 'vibe_orchestrator'");
ok(wait_for($node, "SELECT state = 'blocked' AND problem LIKE 'the library is version %, the extension 0.0.0%' FROM vibe.dispatcher_status()"),
	'different versions block and are reported');

# no free background worker
$node->append_conf('postgresql.conf', "max_worker_processes = 2\nmax_logical_replication_workers = 0\nvibe_orchestrator.databases = 'vo, postgres'");
$node->restart;
ok(wait_until(sub { log_lines($node, 'could not start a dispatcher for database "\w+": no free background worker') == 1 }, 'the line'),
	'a missing worker slot is reported');
is($node->safe_psql('vo', "SELECT count(*) FROM vibe.dispatcher_status() WHERE problem LIKE '%max_worker_processes%'"), '1', 'in the status, too');
$node->stop;
done_testing();
