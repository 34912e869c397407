# Agents behind the real sudo, as a user of their own: test/run makes that user, and the rule that
# `make install-agent-user` writes, where it starts as root. Processes are found by their user, whom nobody else has:
# another user's environment is closed to this test, as agents are to the server.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../perl";
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);
use VibeChaos;
use VibeNode;

my $user = $ENV{VIBE_AGENT_USER};
plan skip_all => 'no user for agents: test/run makes one where it is root and sudo is there' if !$user;
my $uid = getpwnam($user) // BAIL_OUT("there is no user \"$user\"");
my $bindir = `pg_config --bindir` =~ s/\n//r;
my $sim = "$FindBin::Bin/../agents/vibe-agent-sim";
my $grace = 1;
my $node = new_vibe_node('sudo', start => 0,
	conf => "vibe_orchestrator.allow_same_user = off\nvibe_orchestrator.orphan_grace = 60s\nlog_statement = none\n");
my $base = $node->basedir;
my $secret = 'sesame-' . 'x' x 20;

is(system("/usr/bin/sudo -n -l -u $user $bindir/vibe_shim inner >/dev/null"), 0, 'the rule lets the supervisor be started');
isnt(system("/usr/bin/sudo -n -u $user /bin/true 2>/dev/null"), 0, 'and nothing else');

my @hostile = qw(hostile stopper murderer pinner);
my $agents = join '', map { <<"EOR" } 'demo', @hostile;
[$_]
kind       = plain
program    = $base/agents/$_
prefix     = /usr/bin/sudo -n -u $user --
secret_env = KEY:$base/etc/key
limits     = grace=$grace
EOR
$agents .= <<"EOR";
[bomb]
kind    = vibe
program = $sim
args    = ignore_term setsid_child scrubbed_child bomb=60 runner=1 line=ready hang
prefix  = /usr/bin/sudo -n -u $user --
limits  = grace=$grace
EOR
write_runners($node, $agents . "[refused]\nkind = plain\nprogram = /bin/true\nprefix = /usr/bin/sudo -n -u root --\n");
append_to_file("$base/etc/key", "$secret\n");
chmod 0600, "$base/etc/key";
# where an agent may leave a mark for this test
mkdir "$base/marks";
chmod 01777, "$base/marks";

write_agent($node, 'demo', <<'EOA');
umask 0
id -un
env | sed -n 's/^\([A-Z_]*\)=.*/ENV \1/p' | grep -vxE 'ENV (PWD|SHLVL|OLDPWD|_)' | LC_ALL=C sort
find /proc/$$/fd/ -type l -printf 'FD own %l\n'
find /proc/$PPID/fd/ -type l -printf 'FD its %l\n'
tr '\0' '\n' < /proc/$PPID/environ | sed -n 's/^/SUPERVISOR /p'
ls "$BASE/pgdata" > /dev/null 2>&1 && echo 'can read the data'
cat "$BASE/etc/key" > /dev/null 2>&1 && echo 'can read the key'
kill -0 $(cat "$BASE/etc/postmaster") && echo 'can signal'
cp "$BASE/etc/runners.conf" "$BASE/marks/runners.conf"
echo "$KEY"
mkdir -p "$(dirname "$VIBE_OUTPUT_FILE")"
echo "by $(id -un)" > "$VIBE_OUTPUT_FILE"
echo "$VIBE_TASK_ID" >> "$BASE/marks/starts.$VIBE_CAMPAIGN"
while [ "$VIBE_CAMPAIGN" = restart ] && [ ! -e "$BASE/go" ]; do sleep 0.1; done
EOA
# what the agents of other tests do, with marks where they may leave them
hostile_agent($node, 'hostile');
my $hostile = slurp_file("$base/agents/hostile") =~ s/^#!.*\nBASE=.*\n//r =~ s/"\$BASE"$/"\$BASE\/marks"/mr =~ s/use POSIX \(\);/$& umask 0;/r;
write_agent($node, 'hostile', $hostile);
# ... once it has seen to it that its supervisor cannot do its work
# (by a kill also children whose environment says nothing, by a stop also again and again)
my $leave = 'if (!fork) { POSIX::setsid(); fork and POSIX::_exit(0); %ENV = (); exec "sleep", "600" }';
my $pin = 'my $over = getppid; if (!fork) { POSIX::setsid(); %ENV = (); while (kill STOP => $over) { select undef, undef, undef, 0.001 } POSIX::_exit(0) }';
write_agent($node, $_->[0], $hostile =~ s/syswrite \$mark/$_->[1]; $&/r)
  foreach [ stopper => 'kill STOP => getppid' ], [ murderer => "my \$over = getppid; $leave; kill KILL => \$over" ], [ pinner => $pin ];

$node->start;
append_to_file("$base/etc/postmaster", (split /\n/, slurp_file($node->data_dir . '/postmaster.pid'))[0]);
$node->safe_psql('postgres', 'CREATE DATABASE vo');
create_vibe($node, 'demo', @hostile, qw(bomb refused));

# The living and dead processes of the agents' user: pid => what it is.
sub processes_of_user
{
	my %found;
	foreach my $status (glob '/proc/[0-9]*/status')
	{
		my $text = eval { slurp_file($status) } // next;
		next if $text !~ /^Uid:\s+$uid\s/m;
		my ($pid) = $status =~ m{(\d+)};
		$found{$pid} = ($text =~ /^Name:\s+(.*)/m)[0];
	}
	return \%found;
}

# sudo itself is root's: it is known by whom it runs.
sub sudos
{
	return map { m{(\d+)} ? ($1 => 'sudo') : () } grep { (eval { slurp_file($_) } // '') =~ /^[^\0]*sudo\0.*\0\Q$user\E\0/ } glob '/proc/[0-9]*/cmdline';
}

sub nothing_is_left
{
	my ($what, $begin, $seconds) = @_;
	my $left;
	wait_until(sub { $left = { %{ processes_of_user() }, sudos() }; !%$left || time - $begin > $seconds }, 'the end of all processes');
	my $took = time - $begin;
	is_deeply($left, {}, "$what: nothing is left");
	cmp_ok($took, '<', $seconds, sprintf '%s: after %.1f s', $what, $took);
	return;
}

sub ends
{
	my ($campaign, $count) = @_;
	return wait_for($node, "SELECT count(*) >= $count FROM vibe.runs WHERE campaign_id = $campaign AND ended_at IS NOT NULL");
}

sub outcomes
{
	my ($campaign) = @_;
	return $node->safe_psql('vo', "SELECT string_agg(outcome, ' ' ORDER BY id) FROM vibe.runs WHERE campaign_id = $campaign AND ended_at IS NOT NULL");
}

# A campaign whose agents have all begun.
sub begun
{
	my ($slug, $count, $agent) = @_;
	my $campaign = create_work($node, $slug, $count, $agent);
	ok(wait_until(sub { count_lines("$base/marks/starts.$slug") >= $count }, "starts of $slug"), "$slug: begun");
	wait_for($node, "SELECT count(*) >= $count FROM vibe.runs WHERE campaign_id = $campaign AND pid IS NOT NULL");
	return $campaign;
}

### What an agent is and sees

is($node->safe_psql('vo', "SELECT os_user, problem IS NULL FROM vibe.runners() WHERE name = 'demo'"), "$user|t", 'runners() tells the user');
my $campaign = create_work($node, 'seen', 1);
ok(wait_for($node, "SELECT status = 'completed' FROM vibe.campaigns WHERE id = $campaign"), 'a run is done') or diag(outcomes($campaign));
my $said = $node->safe_psql('vo', "SELECT output_tail FROM vibe.runs WHERE campaign_id = $campaign");
my @words = split /\n/, $said;
is($words[0], $user, 'by that user');
my ($file) = glob "$base/site/projects/site/campaigns/seen/drafts/*.md";
is(defined $file && slurp_file($file), "by $user\n", 'its file comes back');
is(defined $file && (stat $file)[4], $>, 'and is the server\'s');
is_deeply([ grep { s/^ENV // } @words ],
	[ split / /, $node->safe_psql('vo', "SELECT array_to_string(environment, ' ') FROM vibe.explain_run((SELECT max(id) FROM vibe.tasks WHERE campaign_id = $campaign))") ],
	'it has the variables that explain_run() names, and none of sudo or the server');
my @fds = map { /^FD (\S+) (.+)/ ? [ $1, $2 ] : () } @words;
is_deeply([ sort map { $_->[1] =~ s/:\[\d+\]//r } grep { $_->[0] eq 'own' } @fds ], [ "$base/agents/demo", ('pipe') x 3 ], 'three descriptors, and its own script');
is_deeply([ grep { $_->[1] =~ m{\Q$base\E/(?!agents)|/dev/shm|PostgreSQL} } @fds ], [], 'and none of the server\'s, nor has its supervisor');
is_deeply([ grep { /^SUPERVISOR (PG|VIBE_TOKEN|KEY)/ } @words ], [], 'nor a variable');
is(scalar(grep { /^can / } @words), 0, 'it cannot read the data or the key, or signal the server') or diag($said);
unlike($said, qr/\Q$secret\E/, 'the secret that it printed is masked');
like($words[-1], qr/\*\*\*|masked/i, 'as such');
nothing_is_left('done', time, 5);

### Cancels and kills of what does not want to go

$campaign = begun('cancelled', 3, 'hostile');
cmp_ok(scalar keys %{ processes_of_user() }, '>=', 12, 'agents, their children and supervisors are there');
is(scalar(grep { /\Q$secret\E|lock_token|You are/ } map { eval { slurp_file("/proc/$_/cmdline") } // '' } map { m{(\d+)} } glob '/proc/[0-9]*'), 0,
	'no command line on this machine has a secret or a prompt');
my $begin = time;
$node->safe_psql('vo', "SELECT vibe.cancel_campaign($campaign)");
ends($campaign, 3);
nothing_is_left('cancelled', $begin, $grace + 5);
is(outcomes($campaign), 'cancelled cancelled cancelled', 'cancelled: so they ended');

# the supervisor on the server's side is killed
$campaign = begun('orphaned', 2, 'hostile');
$node->safe_psql('vo', "SELECT vibe.pause_campaign($campaign)");
$begin = time;
kill 'KILL', split /\n/, $node->safe_psql('vo', "SELECT pid FROM vibe.runs WHERE campaign_id = $campaign");
nothing_is_left('orphaned', $begin, $grace + 5);
ends($campaign, 2);
is(outcomes($campaign), 'lost lost', 'orphaned: the runs are lost');
is($node->safe_psql('vo', "SELECT string_agg(state || attempts, ' ') FROM vibe.work WHERE campaign_id = $campaign"), 'ready0 ready0', 'and use no attempt');
$node->safe_psql('vo', "SELECT vibe.cancel_campaign($campaign)");

# many processes, some with an empty environment, some always on the run, under either
foreach my $way ([ 'bomb-cancelled', sub { $node->safe_psql('vo', "SELECT vibe.cancel_campaign($_[0])") } ],
	[ 'bomb-orphaned', sub {
		$node->safe_psql('vo', "SELECT vibe.pause_campaign($_[0])");
		kill 'KILL', $node->safe_psql('vo', "SELECT pid FROM vibe.runs WHERE campaign_id = $_[0]");
	} ])
{
	my ($what, $end) = @$way;
	$campaign = create_work($node, $what, 1, 'bomb');
	ok(wait_for($node, "SELECT count(*) = 1 FROM vibe.runs r, vibe.run_log(r.id) l WHERE r.campaign_id = $campaign AND r.pid IS NOT NULL AND l.text LIKE '%ready%'"), "$what: begun");
	cmp_ok(scalar keys %{ processes_of_user() }, '>', 30, "$what: many processes");
	$begin = time;
	$end->($campaign);
	ends($campaign, 1);
	nothing_is_left($what, $begin, $grace + 5);
	$node->safe_psql('vo', "SELECT vibe.cancel_campaign($campaign)");
}

# the agent has killed the supervisor on its own side
$campaign = create_work($node, 'murdered', 1, 'murderer');
$begin = time;
ends($campaign, 1);
$node->safe_psql('vo', "SELECT vibe.cancel_campaign($campaign)");
like(outcomes($campaign), qr/^(?:killed|lost)\b/, 'an agent that kills its supervisor has not done its step');
nothing_is_left('murdered', $begin, 10);

# ... or has stopped it: by a cancel
$campaign = begun('stopped', 1, 'stopper');
$begin = time;
$node->safe_psql('vo', "SELECT vibe.cancel_campaign($campaign)");
ends($campaign, 1);
is(outcomes($campaign), 'cancelled', 'an agent that stops its supervisor is cancelled');
nothing_is_left('stopped', $begin, $grace + 5);

# ... again and again
$campaign = begun('pinned', 1, 'pinner');
$begin = time;
$node->safe_psql('vo', "SELECT vibe.cancel_campaign($campaign)");
ends($campaign, 1);
is(outcomes($campaign), 'cancelled', 'also one that does so all the time');
nothing_is_left('pinned', $begin, $grace + 15);

# ... and after a kill of the other one
$campaign = begun('both', 1, 'stopper');
$node->safe_psql('vo', "SELECT vibe.pause_campaign($campaign)");
$begin = time;
kill 'KILL', $node->safe_psql('vo', "SELECT pid FROM vibe.runs WHERE campaign_id = $campaign");
ends($campaign, 1);
is(outcomes($campaign), 'lost', 'with neither supervisor the run is lost');
nothing_is_left('both', $begin, $grace + 5);
$node->safe_psql('vo', "SELECT vibe.cancel_campaign($campaign)");

### A restart, and a rule that is missing

$campaign = begun('restart', 2, 'demo');
$node->restart;
wait_for($node, "SELECT state = 'running' AND running = 2 FROM vibe.dispatcher_status() WHERE database = 'vo'");
touch_file("$base/go");
ok(wait_for($node, "SELECT status = 'completed' FROM vibe.campaigns WHERE id = $campaign"), 'agents outlive a restart of the server');
is(outcomes($campaign), 'done done', 'as what they were');
is(count_lines("$base/marks/starts.restart"), 2, 'and each started once');

$campaign = create_work($node, 'refused', 1, 'refused');
ends($campaign, 1);
is($node->safe_psql('vo', "SELECT outcome, error LIKE '%password is required%' FROM vibe.runs WHERE campaign_id = $campaign ORDER BY id LIMIT 1"),
	'exec_error|t', 'what sudo does not let through is no run, and the error has its words');
$node->safe_psql('vo', "SELECT vibe.cancel_campaign($campaign)");
nothing_is_left('at the end', time, 5);

# an agent's file is no runner file, whatever it says
is((stat "$base/marks/runners.conf")[4], $uid, 'the agent has made one');
$node->append_conf('postgresql.conf', "vibe_orchestrator.runner_config = '$base/marks/runners.conf'");
$node->restart;
ok(wait_for($node, "SELECT state = 'blocked' AND problem LIKE '%belongs to neither root nor the server''s user%' FROM vibe.dispatcher_status() WHERE database = 'vo'"),
	'which starts nothing');

$node->stop;
done_testing();
