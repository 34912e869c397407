# The demo's agents, driven by hand through the pipeline for every topic: each step finds what the
# steps before it left, a weak draft goes back once with notes, and the article is complete.
use strict;
use warnings;
use Cwd        qw(abs_path);
use File::Path qw(make_path);
use File::Temp qw(tempdir);
use FindBin;
use lib "$FindBin::RealBin/../perl";
use JSON::PP;
use Test::More;
use VibeShim qw(slurp);

my $demo      = abs_path("$FindBin::RealBin/../../demo");
my $workspace = tempdir(CLEANUP => 1);

my @steps = (
	{ step => 1, agent => 'vibe-keyword-researcher', folder => 'research' },
	{ step => 2, agent => 'vibe-keyword-researcher', folder => 'briefs' },
	{ step => 3, agent => 'vibe-content-writer',     folder => 'drafts' },
	{ step => 4, agent => 'vibe-content-reviewer',   folder => 'reviewed' },
	{ step => 5, agent => 'vibe-humanizer',          folder => 'final' },);

sub slug_of
{
	my ($title) = @_;
	$title =~ s/[^a-z0-9]+/-/g;
	return $title;
}

# Runs one step as the supervisor would; returns the result line and the exit status.
sub run_step
{
	my ($step, $title, $inputs, $notes) = @_;
	my $slug = slug_of($title);
	local %ENV = (
		PATH             => $ENV{PATH},
		VIBE_AGENT       => $step->{agent},
		VIBE_INPUT       => "$workspace/input.json",
		VIBE_WORKSPACE   => $workspace,
		VIBE_OUTPUT_DIR  => "$workspace/$step->{folder}",
		VIBE_OUTPUT_FILE => "$workspace/$step->{folder}/$slug.md");
	open my $file, '>', $ENV{VIBE_INPUT} or die $!;
	print $file JSON::PP->new->ascii->encode(
		{ prompt => "You are one.\n\nTask 7: $title\nStep 1.\n", inputs => $inputs, revision_notes => $notes });
	close $file;

	# what an agent says there is log
	open my $stderr, '>&', \*STDERR or die $!;
	open STDERR, '>', "$workspace/stderr" or die $!;
	open my $agent, '-|', "$demo/agents/vibe-demo-agent", '--pace', 0 or die $!;
	my @lines = map { JSON::PP->new->decode($_) } <$agent>;
	close $agent;
	open STDERR, '>&', $stderr or die $!;
	return (undef,      $? >> 8) unless @lines;
	return ($lines[-1], $? >> 8);
}

# Takes a topic through the pipeline; returns the result of each step and the rounds of revision.
sub run_pipeline
{
	my ($title) = @_;
	my (@inputs, %result, $notes);
	my $rounds = 0;
	for (my $at = 0; $at < @steps; $at++)
	{
		my ($result, $status) = run_step($steps[$at], $title, \@inputs, $notes);
		die "step $steps[$at]{step} of \"$title\" ended with $status" if $status != 0;
		$result{ $steps[$at]{folder} } = $result;
		if ($result->{status} eq 'revise')
		{
			die "\"$title\" is sent back for ever" if ++$rounds > 3;
			$notes  = $result->{notes};
			@inputs = grep { $_->{step} < $result->{target_step} } @inputs;
			$at     = $result->{target_step} - 2;
			next;
		}
		push @inputs,
		  { step => $steps[$at]{step}, summary => $result->{summary}, output => $result->{output} };
	}
	return (\%result, $rounds);
}

my @topics = grep { /\S/ && !/^#/ } split /\n/, slurp("$demo/keywords.txt");
cmp_ok(scalar @topics, '>=', 6, 'there are topics enough for a campaign');

my ($revised, %sources) = (0);
for my $topic (@topics)
{
	my ($result, $rounds) = run_pipeline($topic);
	$revised++ if $rounds;
	cmp_ok($rounds, '<=', 1, "$topic: the second draft honours the notes");
	cmp_ok($result->{reviewed}{score},
		'>=', 75, "$topic: accepted with a score of $result->{reviewed}{score}");

	my $sections = $result->{research}{output}{sections};
	$sources{ $result->{research}{output}{source} }++;
	my $article = slurp("$workspace/final/" . slug_of($topic) . '.md');
	my @lost    = grep { index($article, "## $_->{heading}\n") < 0 } @$sections;
	is(scalar @lost, 0, "$topic: the article has every section of the research");
	cmp_ok($result->{final}{output}{words},
		'>=', 350, "$topic: the article has $result->{final}{output}{words} words");
	cmp_ok($result->{final}{output}{edits}{contractions},
		'>', 0, "$topic: the humanizer found something to do");
}
cmp_ok($revised, '>=', 1,              'some first drafts are sent back');
cmp_ok($revised, '<',  scalar @topics, 'and some are not');
is(scalar keys %sources, scalar @topics, 'each topic has a source of its own');

my ($first, $again) = map { (run_pipeline($topics[0]))[0] } 1 .. 2;
is_deeply($first, $again, 'the same topic gives the same article');

my (undef, $status) = run_step({ agent => 'vibe-nobody', folder => 'x' }, 'x', []);
is($status, 64, 'an unknown agent is a permanent failure');
(undef, $status) = run_step($steps[2], 'x', []);
is($status, 65, 'missing input is a permanent failure');

done_testing();
