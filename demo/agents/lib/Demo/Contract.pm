# What an agent is told and how it reports: contract version 1 of runner kind "vibe".
package Demo::Contract;
use strict;
use warnings;
use File::Basename qw(basename dirname);
use File::Path     qw(make_path);
use JSON::PP;

# corpus: folder of the texts; pace: seconds that a run takes at least, spread over its progress
sub new
{
	my ($class, %self) = @_;
	$| = 1;
	binmode STDERR, ':encoding(UTF-8)';
	$self{input} = _read_input();
	return bless \%self, $class;
}

sub _read_input
{
	my $text = defined $ENV{VIBE_INPUT} && -r $ENV{VIBE_INPUT} ? _slurp($ENV{VIBE_INPUT}) : join '',
	  <STDIN>;
	my $input = eval { JSON::PP->new->utf8->decode($text) };
	return $input if ref $input eq 'HASH';
	print STDERR "the input is not a JSON object\n";
	exit 65;
}

sub _slurp
{
	my ($path) = @_;
	open my $file, '<:raw', $path or die "cannot read $path: $!\n";
	local $/;
	return <$file>;
}

# The task's title: the prompt names it, and the slug was made of it.
sub title
{
	my ($self) = @_;
	return $1 if ($self->{input}{prompt} // '') =~ /^Task \d+: *(\S.*?) *$/m;
	return $ENV{VIBE_SLUG} =~ s/-/ /gr if $ENV{VIBE_SLUG};
	print STDERR "neither the prompt nor VIBE_SLUG says what the task is\n";
	exit 65;
}

sub notes  { return $_[0]{input}{revision_notes} }
sub folder { return basename($ENV{VIBE_OUTPUT_DIR} // '') }

# The output object of the latest earlier step whose output has this kind, and that step's number.
sub earlier
{
	my ($self, $kind) = @_;
	for my $input (reverse @{ $self->{input}{inputs} // [] })
	{
		my $output = $input->{output};
		return ($output, $input->{step})
		  if ref $output eq 'HASH' && ($output->{kind} // '') eq $kind;
	}
	print STDERR "no earlier step has left a $kind\n";
	exit 65;
}

# The text of a file that an earlier step wrote, named relative to the workspace.
sub workspace_file
{
	my ($self, $name) = @_;
	my $text = _slurp("$ENV{VIBE_WORKSPACE}/$name");
	utf8::decode($text);
	return $text;
}

# Writes the step's file and returns its name relative to the workspace.
sub write_output
{
	my ($self, $text) = @_;
	my $path = $ENV{VIBE_OUTPUT_FILE} // die "VIBE_OUTPUT_FILE is not set\n";
	make_path(dirname($path));
	open my $file, '>:encoding(UTF-8)', $path or die "cannot write $path: $!\n";
	print $file $text;
	close $file or die "cannot write $path: $!\n";
	return join '/', (split m{/}, $path)[ -2, -1 ];
}

# Says how far the run is; the pauses between these lines make up the pace.
sub progress
{
	my ($self, $percent, $note) = @_;
	$self->_line(vibe => 'progress', pct => $percent, note => $note);
	select undef, undef, undef, $self->{pace} / 3 if $self->{pace};
	return;
}

# Nothing is bought here: a token is a word read or written, and costs nothing.
sub usage
{
	my ($self, $words_read, $words_written) = @_;
	$self->_line(
		vibe          => 'usage',
		input_tokens  => $words_read,
		output_tokens => $words_written,
		cost_usd      => 0,
		model         => 'demo');
	return;
}

sub result
{
	my ($self, %result) = @_;
	$self->_line(vibe => 'result', status => 'done', %result);
	return;
}

sub _line
{
	my ($self, %line) = @_;
	print JSON::PP->new->canonical->ascii->encode(\%line), "\n";
	return;
}

1;
