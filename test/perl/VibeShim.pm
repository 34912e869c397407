package VibeShim;

# Helpers of the shim's process tests: a run directory with a launch record, a
# shim started in it, and waiting with a deadline.

use strict;
use warnings;

use Cwd qw(abs_path);
use Exporter qw(import);
use Fcntl qw(:DEFAULT);
use File::Basename qw(dirname);
use File::Path qw(make_path);
use File::Temp;
use JSON::PP;
use POSIX qw(:sys_wait_h);
use Test::More;
use Time::HiRes qw(time);

our @EXPORT = qw($shim $agents sanitized_shim new_run start_shim wait_shim run_shim exit_record
  slurp spew wait_until run_agent lock_alive still_running marked_processes
  kill_marked env_of);

my $top = abs_path(dirname(__FILE__) . '/../..');
our $shim = $ENV{VIBE_SHIM} || "$top/src/shim/vibe_shim";
our $agents = "$top/test/agents";
my $json    = JSON::PP->new->utf8->canonical;
my @kept;
my $run_number = 1000;

sub slurp
{
	my ($path) = @_;
	open my $in, '<:raw', $path or return undef;
	local $/;
	my $text = <$in>;
	return $text // '';
}

sub spew
{
	my ($path, $text) = @_;
	open my $out, '>:raw', $path or die "$path: $!";
	print $out $text;
	close $out or die "$path: $!";
	return;
}

# From here on, a shim that watches its own memory; without the sanitizers' libraries the ordinary one has to do.
sub sanitized_shim
{
	return if $ENV{VIBE_SHIM};
	my $temp = File::Temp->newdir('vibe_asan_XXXXXX', TMPDIR => 1);
	push @kept, $temp;
	# a user behind a prefix has to find it
	chmod 0755, "$temp";
	if (system("make -s -C '$top' -f src/shim/sanitize.mk SHIM_ASAN='$temp/vibe_shim' >'$temp/make.log' 2>&1") == 0)
	{
		$shim = "$temp/vibe_shim";
		return;
	}
	diag('no shim with sanitizers: ', slurp("$temp/make.log"));
	return;
}

# Waits until the code returns true; false after the deadline.
sub wait_until
{
	my ($code, $seconds) = @_;
	my $deadline = time + ($seconds // 20);
	until ($code->())
	{
		return 0 if time > $deadline;
		select undef, undef, undef, 0.01;
	}
	return 1;
}

# A copy of one hash laid over another, one level of hashes deep.
sub merged
{
	my ($base, $over) = @_;
	my %result = %$base;
	for my $key (keys %$over)
	{
		my $value = $over->{$key};
		$result{$key} =
		  ref $value eq 'HASH' && ref $result{$key} eq 'HASH' && $key ne 'env'
		  ? merged($result{$key}, $value)
		  : $value;
	}
	return \%result;
}

# Makes a run directory. Keys: run, runner, limits, top (parts of the launch
# record), raw (its text).
sub new_run
{
	my (%with) = @_;
	my $temp = File::Temp->newdir('vibe_shim_XXXXXX', TMPDIR => 1);
	my $base = abs_path("$temp");
	my $id   = '' . $run_number++;
	my $dir  = "$base/runs/$id";
	push @kept, $temp;
	make_path($dir, { mode => 0700 });
	my $launch = {
		protocol => 1,
		run      => {
			contract => 1, run_id => $id, task_id => 45, branch => '', step => 3,
			step_label => 'Write Article', attempt => 1, agent => 'vibe-content-writer',
			model => 'sonnet', campaign_id => 7, campaign => 'camp', project => 'proj',
			title => 'A title', slug => 'how-to-x', skill_path => undef,
			output_dir => 'drafts', token => 'a1b2c3d4' x 8, prompt => 'write it',
			inputs => [], revision_notes => undef,
			session => '11111111-2222-3333-4444-555555555555', resume_session => undef,
			timeout_s => undef, budget_usd => undef,
			traceparent => '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
			deliverable => undef,
		},
		runner => {
			name => 'test', kind => 'plain', argv => ['/bin/true'], prefix => [],
			pass_env => [], secret_env => [], env => {}, path => '/usr/local/bin:/usr/bin:/bin',
			allow_same_user => JSON::PP::true,
			limits => {
				start => 30, idle => 30, timeout => 60, linger => 1, grace => 1,
				stdout => 4194304, nofile => 4096, nproc => 0, fsize => 0, as => 0,
				cpu => 0, nice => 0,
			},
		},
		workspace => "$base/workspaces/45/main",
		main_workspace => "$base/workspaces/45/main",
		alive => undef, orphan_grace => 120,
	};
	$launch->{run}    = merged($launch->{run}, $with{run} // {});
	$launch->{runner} = merged($launch->{runner}, $with{runner} // {});
	$launch->{runner}{limits} = merged($launch->{runner}{limits}, $with{limits} // {});
	$launch = merged($launch, $with{top} // {});
	my $old = umask 0077;
	spew("$dir/launch", $with{raw} // $json->encode($launch));
	umask $old;
	return {
		id => $id, base => $base, dir => $dir, launch => $launch,
		workspace => $launch->{workspace},
	};
}

# Starts "run DIR" with an environment of its own and returns its pid.
sub start_shim
{
	my ($run, %env) = @_;
	my $pid = fork // die "fork: $!";
	return $run->{pid} = $pid if $pid;
	%ENV = %env;
	POSIX::setsid();
	open STDIN, '<', '/dev/null' or POSIX::_exit(99);
	# what a careless parent leaves open; agents must not get it
	POSIX::dup2(0, 50);
	exec $shim, 'run', $run->{dir} or POSIX::_exit(99);
}

# Waits for the shim's end and returns its wait status; undef after the deadline.
sub wait_shim
{
	my ($run, $seconds) = @_;
	my $ended = wait_until(
		sub {
			return 0 if waitpid($run->{pid}, WNOHANG) != $run->{pid};
			$run->{status} = $?;
			return 1;
		},
		$seconds // 30);
	return $run->{status} if $ended;
	diag("shim did not end in time: $run->{dir}");
	kill 'KILL', $run->{pid};
	waitpid $run->{pid}, 0;
	return undef;
}

sub exit_record
{
	my ($run) = @_;
	my $text = slurp("$run->{dir}/exit");
	return defined $text ? $json->decode($text) : undef;
}

# Starts, waits and returns the exit record.
sub run_shim
{
	my ($run, %env) = @_;
	start_shim($run, %env);
	is(wait_shim($run), 0, 'shim ends with status 0');
	return exit_record($run) // {};
}

# The usual test: one agent, its exit record.
sub run_agent
{
	my ($kind, $argv, %with) = @_;
	my $runner = delete $with{runner} // {};
	my $run = new_run(%with, runner => { kind => $kind, argv => $argv, %$runner });
	my $record = run_shim($run);
	return wantarray ? ($record, $run) : $record;
}

# Locks a file like the dispatcher does: an OFD write lock held by a child.
# Returns the child's pid once it holds the lock.
sub lock_alive
{
	my ($path) = @_;
	pipe(my $ready, my $tell) or die "pipe: $!";
	my $pid = fork // die "fork: $!";
	if ($pid == 0)
	{
		sysopen my $file, $path, O_RDWR | O_CREAT, 0600 or POSIX::_exit(1);
		# F_OFD_SETLK = 37; struct flock: type, whence, start, len, pid
		my $lock = pack 's s x![q] q q i x![q]', F_WRLCK, 0, 0, 0, 0;
		fcntl($file, 37, $lock) or POSIX::_exit(2);
		syswrite $tell, 'x';
		sleep 1 while 1;
	}
	close $tell;
	sysread $ready, my $byte, 1 or die 'lock holder failed';
	return $pid;
}

# Processes that carry this run's directory in their environment.
sub marked_processes
{
	my ($run) = @_;
	my @found;
	for my $path (glob '/proc/[0-9]*/environ')
	{
		my $text = slurp($path) or next;
		push @found, $path =~ m{/proc/(\d+)/} if $text =~ /(?:^|\0)VIBE_RUN_DIR=\Q$run->{dir}\E\0/;
	}
	return @found;
}

sub still_running
{
	my ($run) = @_;
	return scalar marked_processes($run);
}

sub kill_marked
{
	my ($run) = @_;
	kill 'KILL', $_ for marked_processes($run);
	return;
}

# The environment a shim gave, from the agent env_dump.
sub env_of
{
	my ($text) = @_;
	return { map { /^([^=]+)=(.*)$/s ? ($1 => $2) : () } split /\0/, $text };
}

1;
