package VibeChaos;

# What tests by violence need: to find every process of a server's runs, kill
# what is part of the machinery, and count what came of it.

use strict;
use warnings;

use Exporter qw(import);
use PostgreSQL::Test::Utils;
use Test::More;
use POSIX ();
use Time::HiRes qw(time);
use VibeNode;

our @EXPORT = qw(size_of release_brake kill_dispatcher processes_of zombies_of shims_of agents_of kill_hard kill_postmaster
  resident_memory cpu_seconds settle no_processes_left hostile_agent);

# A size that the environment can change.
sub size_of
{
	my ($name, $default) = @_;
	return $ENV{"CHAOS_$name"} // $default;
}

sub slurp_quietly
{
	my ($path) = @_;
	open my $in, '<', $path or return '';
	local $/;
	return <$in> // '';
}

# Every living process that carries a run directory below this node's in its
# environment, pid => name. A zombie has no environment: see zombies_of.
sub processes_of
{
	my ($node) = @_;
	my $below = $node->basedir . '/run/';
	my %found;

	foreach my $path (glob '/proc/[0-9]*/environ')
	{
		next if slurp_quietly($path) !~ /(?:^|\0)VIBE_RUN_DIR=\Q$below\E/;
		my ($pid) = $path =~ m{(\d+)};
		$found{$pid} = slurp_quietly("/proc/$pid/comm") =~ s/\n//r;
	}
	return \%found;
}

# Shims have an environment of nothing; their command line names the directory.
# So does that of an agent for the moment before it becomes its program.
sub shims_of
{
	my ($node) = @_;
	my $below = $node->basedir . '/run/';
	my %found = map { $_ => 1 }
	  grep { slurp_quietly("/proc/$_/cmdline") =~ /vibe_shim\0run\0\Q$below\E/ }
	  map { m{(\d+)} } glob '/proc/[0-9]*/cmdline';

	return grep { !$found{ parent_of($_) } } keys %found;
}

sub parent_of
{
	my ($pid) = @_;
	return slurp_quietly("/proc/$pid/stat") =~ /\) \S (\d+)/ ? $1 : 0;
}

# The agents themselves: children of shims.
sub agents_of
{
	my ($node) = @_;
	my %shims = map { $_ => 1 } shims_of($node);

	return grep { $shims{ parent_of($_) } } keys %{ processes_of($node) };
}

# Dead children that nobody reaped: of the dispatcher and of our shims.
sub zombies_of
{
	my ($node) = @_;
	my %parents = map { $_ => 1 } shims_of($node), dispatcher_pid($node);

	return grep { slurp_quietly("/proc/$_/stat") =~ /\) Z (\d+)/ && $parents{$1} }
	  map { m{(\d+)} } glob '/proc/[0-9]*/stat';
}

# Kill -9 one of them, if there is one; whether it was hit.
sub kill_hard
{
	my (@pids) = @_;

	return 0 if !@pids;
	return kill('KILL', $pids[ rand @pids ]) ? 1 : 0;
}

# The launcher slows down after some crashes in a row, which has a test of its
# own; here it is to forget them.
sub release_brake
{
	my ($node) = @_;
	unlink $node->data_dir . '/vibe_orchestrator.starts';
	return;
}

# Kill -9 the dispatcher, which makes the server restart; whether there was one.
sub kill_dispatcher
{
	my ($node) = @_;
	my ($status, $pid) = $node->psql('postgres',
		"SELECT pid FROM pg_stat_activity WHERE backend_type = 'vibe dispatcher'");

	return 0 if !$pid;
	release_brake($node);
	return 0 if !kill 'KILL', $pid;
	wait_until_gone($pid);
	return wait_ready($node);
}

# Kill -9 the postmaster and start the server again.
sub kill_postmaster
{
	my ($node) = @_;
	my $pid = (split /\n/, slurp_file($node->data_dir . '/postmaster.pid'))[0];

	release_brake($node);
	$node->kill9;
	wait_until_gone($pid);
	# its children notice and leave; until then the shared memory is in use
	wait_until(sub { $node->start(fail_ok => 1) }, 'start after a crash');
	return;
}

# Resident memory in kB, and processor time in seconds.
sub resident_memory
{
	my ($pid) = @_;
	return slurp_quietly("/proc/$pid/status") =~ /^VmRSS:\s+(\d+)/m ? $1 : 0;
}

sub cpu_seconds
{
	my ($pid) = @_;
	my @fields = split ' ', slurp_quietly("/proc/$pid/stat") =~ s/^.*\) //sr;
	return ($fields[11] + $fields[12]) / POSIX::sysconf(POSIX::_SC_CLK_TCK());
}

# How long until no run is open any more; undef if that never came.
sub settle
{
	my ($node, $seconds) = @_;
	my $begin = time;

	while (time - $begin < $seconds)
	{
		my ($status, $out) = $node->psql('vo', 'SELECT count(*) FROM vibe.runs WHERE ended_at IS NULL');
		return time - $begin if defined $status && $status == 0 && $out eq '0';
		select undef, undef, undef, 0.1;
	}
	return undef;
}

# Nothing of any run lives within so many seconds; how many did in the end.
sub no_processes_left
{
	my ($node, $seconds) = @_;
	my $begin = time;
	my $left;

	do
	{
		$left = processes_of($node);
		return ok(1, sprintf 'no process is left after %.1f s', time - $begin) if !%$left && !shims_of($node);
		select undef, undef, undef, 0.1;
	} while (time - $begin < $seconds);
	diag("left: $_ $left->{$_}") for sort keys %$left;
	return ok(0, "no process is left within $seconds s");
}

# An agent that does what it can to stay: it ignores SIGTERM and leaves
# double-forked children in sessions of their own that hold its stdout.
sub hostile_agent
{
	my ($node, $name) = @_;
	return write_agent($node, $name, <<'EOA');
exec perl -e '
use POSIX ();
$SIG{$_} = "IGNORE" for qw(TERM INT HUP);
for (1 .. 2)
{
	next if fork;
	POSIX::setsid();
	fork and POSIX::_exit(0);
	sleep 1 while 1;
}
$| = 1;
print "started\n";
open my $mark, ">>", "$ARGV[0]/starts.$ENV{VIBE_CAMPAIGN}";
syswrite $mark, "$ENV{VIBE_TASK_ID}\n";
close $mark;
sleep 1 while 1;' "$BASE"
EOA
}

1;
