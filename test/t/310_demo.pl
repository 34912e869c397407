# The demo itself, with three topics: an agent, the dispatcher and the server are killed while it
# runs, and it still ends with every article, each step done once, and nothing left running.
use strict;
use warnings;
use File::Temp qw(tempdir);
use FindBin;
use lib "$FindBin::RealBin/../perl";
use POSIX qw(WNOHANG);
use Test::More;
use VibeShim qw(slurp wait_until);

# the demo's server listens on its own socket with the default port
delete @ENV{ grep { /^PG/ && $_ ne 'PG_CONFIG' && $_ ne 'PGVERSION' } keys %ENV };

plan skip_all => 'initdb refuses root' if $> == 0;

my $scratch = tempdir('vibe-demo-XXXXXX', TMPDIR => 1, CLEANUP => 1);
my $demo    = "$scratch/demo";
my $log     = "$scratch/log";
my @topics  = (
	'growing herbs on a windowsill',
	'how to read a topographic map',
	'home composting for beginners');

# What a file says, nothing if it is not there (any more).
sub text_of { return slurp($_[0]) // '' }

sub poll_until
{
	my ($what, $code) = @_;
	return 1 if wait_until($code, 60);
	diag text_of($log), text_of("$scratch/psql");
	BAIL_OUT("gave up waiting for $what");
}

sub query
{
	my ($sql) = @_;
	my $answer = qx(psql -XAtq -h $demo/socket -U postgres -d vibe_demo -c "$sql" 2>>$scratch/psql);
	chomp $answer;
	return $answer;
}

# Processes of agents: their environment names a run of this demo.
sub agents
{
	return grep { text_of("/proc/$_/environ") =~ m{\0VIBE_WORKSPACE=\Q$demo\E/} }
	  map { m{(\d+)$} } glob '/proc/[0-9]*';
}

is(system('sh', '-c', ". scripts/lib.sh && copy_tree $scratch/tree"), 0, 'the tree is copied');
open my $keywords, '>', "$scratch/tree/demo/keywords.txt" or die $!;
print $keywords "$_\n" for @topics;
close $keywords;

my $pid = fork // die "cannot fork: $!";
if ($pid == 0)
{
	$ENV{DEMO_DIR} = $demo;
	open STDOUT, '>',  $log     or die $!;
	open STDERR, '>&', \*STDOUT or die $!;
	exec "$scratch/tree/scripts/demo", 'run' or die $!;
}

poll_until('an agent', sub { agents() });
is(kill('KILL', (agents())[0]), 1, 'an agent is killed');

poll_until('the dispatcher', sub { query('SELECT vibe._dispatcher_pid()') =~ /\d/ });
my $dispatcher = query('SELECT vibe._dispatcher_pid()');
is(kill('KILL', $dispatcher), 1, 'the dispatcher is killed');

poll_until('another dispatcher',
	sub { my $now = query('SELECT vibe._dispatcher_pid()'); $now =~ /\d/ && $now ne $dispatcher });
poll_until('an agent', sub { agents() });
my ($postmaster) = text_of("$demo/data/postmaster.pid") =~ /^(\d+)/;
is(kill('KILL', $postmaster), 1, 'the server is killed');

poll_until('the end of the demo', sub { waitpid($pid, WNOHANG) == $pid });
is($?, 0, 'the demo ends well') or diag text_of($log), text_of("$scratch/psql");
like(text_of($log), qr/the server is gone; starting it again/, 'it says what happened');

for my $topic (@topics)
{
	(my $slug = $topic) =~ s/ /-/g;
	my $article = text_of("$demo/output/projects/demo/campaigns/first-articles/final/$slug.md");
	like($article, qr/^# \Q$topic\E$/mi, "there is an article on $topic");
}

ok(!-e "$demo/data/postmaster.pid", 'the server is stopped');
is(scalar agents(), 0, 'no agent is left');

my $answer =
  qx(printf '%s' "SELECT count(*), count(DISTINCT (task_id, step, revision)) FROM vibe.runs WHERE outcome IN ('done', 'revise')" |
	DEMO_DIR=$demo $scratch/tree/scripts/demo shell 2>>$scratch/psql);
my ($runs, $steps) = $answer =~ /(\d+) \|\s+(\d+)/;
cmp_ok($runs // 0, '>=', 15, 'the shell finds the runs again');
is($runs, $steps, 'no step was done twice');

is(system("DEMO_DIR=$demo $scratch/tree/scripts/demo stop"), 0, 'the demo can be removed');
ok(!-e $demo, 'and nothing is left of it');

done_testing();
