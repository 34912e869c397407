package VibeNode;

# A server with a dispatcher, agents that are small shell scripts, and campaigns
# to give them work. Everything waits with a deadline and never for a time.

use strict;
use warnings;

use Exporter qw(import);
use File::Path qw(make_path);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

our @EXPORT = qw(new_vibe_node write_runners write_agent create_vibe create_work
  status_of dispatcher_pid wait_for wait_until wait_for_file wait_until_gone run_directory
  count_lines count_files wait_ready log_lines touch_file);

my $db = 'vo';

# A started server with the database "vo" configured. Options: conf (more lines),
# runners (text of the runner file), start => 0.
sub new_vibe_node
{
	my ($name, %option) = @_;
	my $node = PostgreSQL::Test::Cluster->new($name);
	my $base = $node->basedir;

	$node->init(%{ $option{init} || {} });
	make_path("$base/run", "$base/agents", "$base/etc");
	chmod 0700, "$base/run";
	chmod 0755, $base, "$base/etc";
	$node->append_conf('postgresql.conf', <<"EOC");
shared_preload_libraries = 'vibe_orchestrator'
vibe_orchestrator.databases = '$db'
vibe_orchestrator.runner_config = '$base/etc/runners.conf'
vibe_orchestrator.run_directory = '$base/run'
vibe_orchestrator.allow_same_user = on
vibe_orchestrator.poll_interval = 1s
vibe_orchestrator.retry_base = 0
restart_after_crash = on
EOC
	$node->append_conf('postgresql.conf', $option{conf}) if defined $option{conf};
	write_runners($node, $option{runners} || default_runners($node));
	return $node if defined $option{start} && !$option{start};
	$node->start;
	$node->safe_psql('postgres', "CREATE DATABASE $db");
	return $node;
}

# Runner "demo" runs agents/demo, kind plain.
sub default_runners
{
	my ($node) = @_;
	return "[demo]\nkind = plain\nprogram = " . $node->basedir . "/agents/demo\n";
}

sub write_runners
{
	my ($node, $text) = @_;
	my $file = $node->basedir . '/etc/runners.conf';

	unlink $file;
	append_to_file($file, $text);
	chmod 0644, $file;
	return $file;
}

# agents/NAME, a shell script. $BASE in it is the node's directory.
sub write_agent
{
	my ($node, $name, $body) = @_;
	my $file = $node->basedir . "/agents/$name";

	unlink $file;
	append_to_file($file, "#!/bin/sh\nBASE='" . $node->basedir . "'\n$body\n");
	chmod 0755, $file;
	return $file;
}

# The extension, and an agent for every runner named.
sub create_vibe
{
	my ($node, @runners) = @_;

	$node->safe_psql($db, 'CREATE EXTENSION vibe_orchestrator');
	wait_for($node, "SELECT state = 'running' FROM vibe.dispatcher_status() WHERE database = '$db'");
	foreach my $runner (@runners ? @runners : ('demo'))
	{
		$node->safe_psql($db, "SELECT vibe.register_agent('$runner', runner => '$runner')");
	}
	$node->safe_psql($db,
		"SELECT vibe.create_project('site', 'Site', root_path => '" . $node->basedir . "/site')");
	return;
}

# An active campaign of so many tasks; one step for each agent named. Its id.
sub create_work
{
	my ($node, $slug, $tasks, @agents) = @_;
	my $order = 0;
	my $steps = join ',', map {
		$order++;
		qq({"order":$order,"agent":"$_","label":"Step $order","output_dir":"drafts"})
	} (@agents ? @agents : ('demo'));

	return $node->safe_psql($db, <<"EOS");
DO \$\$BEGIN PERFORM vibe.create_pipeline('$slug', '$slug', '{"main_steps":[$steps]}'); END\$\$;
DO \$\$BEGIN PERFORM vibe.create_campaign((SELECT min(id) FROM vibe.projects), '$slug', '$slug', pipeline_slug => '$slug', target_article_count => $tasks); END\$\$;
SELECT campaign_id FROM vibe.activate_campaign((SELECT id FROM vibe.campaigns WHERE slug = '$slug'));
EOS
}

sub status_of
{
	my ($node, $column) = @_;
	return $node->safe_psql('vo', "SELECT $column FROM vibe.dispatcher_status() WHERE database = '$db'");
}

sub dispatcher_pid
{
	my ($node) = @_;
	return $node->safe_psql('postgres',
		"SELECT pid FROM pg_stat_activity WHERE backend_type = 'vibe dispatcher' AND datname = '$db'");
}

# Poll until the query answers t (or what is expected); fails the test at the deadline.
sub wait_for
{
	my ($node, $query, $expected, $in) = @_;
	my $done = $node->poll_query_until($in || $db, $query, $expected);

	diag("never true: $query") if !$done;
	return $done;
}

# Poll a condition of the file system.
sub wait_until
{
	my ($condition, $what) = @_;

	for (my $tries = 10 * $PostgreSQL::Test::Utils::timeout_default; $tries > 0; $tries--)
	{
		return 1 if $condition->();
		select undef, undef, undef, 0.1;
	}
	diag("never true: $what");
	return 0;
}

sub wait_for_file
{
	my ($path) = @_;
	return wait_until(sub { -e $path }, "file $path");
}

sub wait_until_gone
{
	my ($pid) = @_;
	return wait_until(sub { !kill 0, $pid }, "end of process $pid");
}

# The directory of the database's runs.
sub run_directory
{
	my ($node) = @_;
	my ($directory) = glob($node->basedir . '/run/*-*');
	return $directory;
}

# How many files match a pattern. (glob in scalar context is an iterator.)
sub count_files
{
	return scalar(my @files = glob($_[0]));
}

# How many lines a file has, 0 if there is none.
sub count_lines
{
	my ($path) = @_;
	return 0 if !-e $path;
	return scalar(my @lines = split /\n/, slurp_file($path));
}

# After a crash: until connections are accepted.
sub wait_ready
{
	my ($node) = @_;
	return wait_until(
		sub { system('pg_isready', '-q', '-h', $node->host, '-p', $node->port) == 0 },
		'server ready');
}

# Lines of the server log that match.
sub log_lines
{
	my ($node, $pattern) = @_;
	return grep { /$pattern/ } split /\n/, slurp_file($node->logfile);
}

sub touch_file
{
	my ($path) = @_;
	append_to_file($path, '');
	return;
}

1;
