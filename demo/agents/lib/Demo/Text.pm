# Small tools for English text: words, sentences, syllables, readability, weights of terms.
package Demo::Text;
use strict;
use warnings;
use Exporter 'import';
use List::Util qw(sum0);

our @EXPORT_OK =
  qw(words terms sentences syllables flesch count_words weigh_terms read_corpus sections);

my %stop = map { $_ => 1 } qw(
  a about above after all also an and any are as at be because been before below both but by
  can do does each else first for from good had has have here how if in into is it its just
  less made make makes may more most much must need needs no not of off often on one or
  other out over own same should since so some such take taken than that the their them then
  there these they this those three through to too two up until use used very want wants was
  well were what when where which while who why will with within without would year years
  you your);

sub words { return lc(shift) =~ /[a-z][a-z'-]*|\d+/g }

sub count_words { return scalar(my @words = words(shift)) }

# Words that carry meaning, cut to a common form of singular and plural.
sub terms
{
	my @terms;
	for my $word (words(shift))
	{
		next if $stop{$word} || length $word < 3;
		$word =~ s/(?<=[^aious])s$// unless $word =~ /ss$/;
		push @terms, $word;
	}
	return @terms;
}

sub sentences
{
	return grep { /\w/ } split /(?<=[.!?])\s+(?=["'A-Z0-9])/, shift;
}

# Groups of vowels, less a silent final e: right for nine words in ten, which is enough for a mean.
sub syllables
{
	my ($word) = @_;
	$word = lc $word;
	$word =~ s/(?<=[^aeiouyl])e$//;
	$word =~ s/(?<=[^aeiouytd])ed$/d/;
	my $count = () = $word =~ /[aeiouy]+/g;
	return $count || 1;
}

# Flesch's reading ease: 60 to 70 is plain English, below 30 is a contract.
sub flesch
{
	my ($text)       = @_;
	my @sentences    = sentences($text) or return 0;
	my @words        = words($text)     or return 0;
	my $per_sentence = @words / @sentences;
	my $per_word     = sum0(map { syllables($_) } @words) / @words;
	return sprintf('%.1f', 206.835 - 1.015 * $per_sentence - 84.6 * $per_word) + 0;
}

# Weight of each term in a list of texts: how often it occurs, and in how few of them.
sub weigh_terms
{
	my @texts = @_;
	my %seen_in;
	for my $text (@texts)
	{
		my %once = map { $_ => 1 } terms($text);
		$seen_in{$_}++ for keys %once;
	}
	return { map { $_ => log(1 + @texts / $seen_in{$_}) } keys %seen_in };
}

# Splits a text in Markdown into its sections: heading, question (if any), body.
sub sections
{
	my ($text) = @_;
	my @sections;
	for my $part (split /^## /m, $text)
	{
		my ($heading, $body) = split /\n/, $part, 2;
		next if $heading =~ /^#/ || $heading eq '';
		my $question = $body =~ s/^\?\s*(.+)\n// ? $1 : undef;
		$body =~ s/\s+/ /g;
		$body =~ s/^ | $//g;
		push @sections, { heading => $heading, question => $question, body => $body };
	}
	return @sections;
}

# The texts of a folder: name, title, sections.
sub read_corpus
{
	my ($folder) = @_;
	my @texts;
	for my $path (sort glob "$folder/*.md")
	{
		open my $file, '<:encoding(UTF-8)', $path or die "cannot read $path: $!\n";
		my $text    = do { local $/; <$file> };
		my ($name)  = $path =~ m{([^/]+)\.md$};
		my ($title) = $text =~ /^# (.+)/m;
		push @texts,
		  { name => $name, title => $title, sections => [ sections($text) ], text => $text };
	}
	return @texts;
}

1;
