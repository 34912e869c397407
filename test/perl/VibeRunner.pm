package VibeRunner;

# A runner of the user's, started as the dispatcher would start it: its launch
# record comes from the extension, which reads the runner file, and goes to a
# shim in a directory of its own.

use strict;
use warnings;

use Exporter qw(import);
use File::Copy qw(copy);
use JSON::PP;
use Test::More;
use VibeShim;

our @EXPORT = qw(runner_record runner_run runner_kind can_tell_usage can_tell_session);

my $json = JSON::PP->new->utf8->canonical;
my $prompt = $ENV{PROMPT} // 'Answer with the single word: ready. Use no tools and change no files.';
my $base;

# The server of this test reads the user's file.
sub server
{
	my $conf = "$ENV{SCRATCH}/data/postgresql.conf";

	return if $base;
	$base = $ENV{SCRATCH};
	copy($ENV{RUNNER_FILE}, "$base/runners.conf") or BAIL_OUT("$ENV{RUNNER_FILE}: $!");
	chmod 0600, "$base/runners.conf";
	if (slurp($conf) !~ /allow_same_user/)
	{
		open my $out, '>>', $conf or BAIL_OUT("$conf: $!");
		print $out "vibe_orchestrator.allow_same_user = on\n";
		close $out;
		system('pg_ctl', '-D', "$base/data", '-l', "$base/server.log", '-w', '-s', 'restart') == 0
		  or BAIL_OUT('the scratch server does not start: ' . slurp("$base/server.log"));
		system('psql', '-Xq', '-c', 'CREATE EXTENSION vibe_orchestrator') == 0 or BAIL_OUT('no extension');
	}
	return;
}

sub ask
{
	my ($sql, @values) = @_;
	my @variables = map { ('-v', "v$_=$values[$_]") } 0 .. $#values;
	my ($in, $out);
	require IPC::Open2;
	my $pid = IPC::Open2::open2($out, $in, 'psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', @variables);
	print $in $sql;
	close $in;
	local $/;
	my $answer = <$out>;
	waitpid $pid, 0;
	BAIL_OUT("psql failed: $sql") if $?;
	chomp $answer;
	return $answer;
}

# The launch record for a task with this prompt; run: more fields of it.
sub runner_record
{
	my (%run) = @_;

	server();
	my $told = $json->encode({
			contract => 1, run_id => '1', task_id => 1, branch => '', step => 1,
			step_label => 'Test', attempt => 1, agent => 'runner-test', model => $ENV{MODEL},
			campaign_id => 1, campaign => 'test', project => 'test', title => 'Test',
			slug => 'test', output_dir => 'drafts', token => 'a1b2c3d4' x 8,
			inputs => [], revision_notes => undef, session => random_uuid(), resume_session => undef,
			timeout_s => 300, budget_usd => $ENV{BUDGET} // '1.00', traceparent => undef });
	my $answer = $json->decode(ask(
			"SELECT jsonb_build_object('record', l.record::jsonb, 'problem', l.problem) FROM vibe._explain_launch(:'v0', :'v1') l;\n",
			$told, $ENV{RUNNER}));
	BAIL_OUT($answer->{problem}) if !$answer->{record};
	diag($answer->{problem}) if $answer->{problem};
	# after that, since a prompt may be longer than an argument
	%{ $answer->{record}{run} } = (%{ $answer->{record}{run} }, prompt => $prompt, %run);
	# a prefix is allowed to start the installed supervisor, and no copy of it
	$VibeShim::shim = $ENV{INSTALLED_SHIM}
	  if $ENV{INSTALLED_SHIM} && @{ $answer->{record}{runner}{prefix} };
	return $answer->{record};
}

sub random_uuid
{
	my @words = map { int rand 65536 } 1 .. 8;
	$words[3] = $words[3] & 0x0fff | 0x4000;
	$words[4] = $words[4] & 0x3fff | 0x8000;
	return sprintf '%04x%04x-%04x-%04x-%04x-%04x%04x%04x', @words;
}

# A run directory for that record; limits: some of the runner's, changed.
sub runner_run
{
	my (%with) = @_;
	my $record = runner_record(%{ $with{run} // {} });
	my $run = new_run(raw => '{}');

	$record->{run}{run_id} = $run->{id};
	$record->{workspace} = $record->{main_workspace} = $run->{workspace};
	$record->{alive} = undef;
	%{ $record->{runner}{limits} } = (%{ $record->{runner}{limits} }, %{ $with{limits} // {} });
	my $old = umask 0077;
	spew("$run->{dir}/launch", $json->encode($record));
	umask $old;
	$run->{launch} = $record;
	return $run;
}

sub runner_kind
{
	my ($run) = @_;
	return $run->{launch}{runner}{kind};
}

# plain commands have no way to say either, and those of kind vibe are free to
sub can_tell_usage
{
	my ($run) = @_;
	return runner_kind($run) !~ /^(plain|vibe)$/;
}

sub can_tell_session
{
	my ($run) = @_;
	return runner_kind($run) !~ /^(plain|vibe)$/;
}

1;
