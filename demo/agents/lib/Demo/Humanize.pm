# Humanize: mechanical edits that make a draft sound less stiff, without touching what it says.
package Demo::Humanize;
use strict;
use warnings;
use Demo::Text qw(flesch count_words);

# longest first where one contains another
my @phrases = (
	[ 'it is important to note that ' => '' ],
	[ 'it should be mentioned that '  => '' ],
	[ 'as a matter of fact, '         => '' ],
	[ 'has been written in order to'  => 'is here to' ],
	[ 'in order to'                   => 'to' ],
	[ 'in addition, '                 => 'also, ' ],
	[ 'therefore '                    => 'so ' ],
	[ 'a lot of '                     => 'much ' ],);
my %contractions = (
	'do not'     => "don't",
	'does not'   => "doesn't",
	'it is'      => "it's",
	'is not'     => "isn't",
	'are not'    => "aren't",
	'cannot'     => "can't",
	'they are'   => "they're",
	'that is'    => "that's",
	'should not' => "shouldn't",
	'you are'    => "you're",
	'there is'   => "there's",
	'what is'    => "what's",);

sub run
{
	my ($contract) = @_;
	my ($draft)    = $contract->earlier('draft');
	my $text       = $contract->workspace_file($draft->{file});
	my $before     = flesch($text);
	$contract->progress(20, 'reading the draft');

	my %edits = (phrases => 0, splits => 0, contractions => 0);
	my @lines = split /\n/, $text;
	for my $line (grep { !/^#/ } @lines)    # headings keep the outline's words
	{
		$edits{phrases}      += _replace_phrases(\$line);
		$edits{splits}       += _split_sentences(\$line);
		$edits{contractions} += _contract(\$line);
	}
	$text = join("\n", @lines) . "\n";
	$contract->progress(80, 'reading it once more');

	my $after = flesch($text);
	my $file  = $contract->write_output($text);
	$contract->usage(count_words($text), count_words($text));
	return {
		summary => sprintf(
			'%d phrases, %d splits, %d contractions; Flesch %.1f to %.1f',
			@edits{qw(phrases splits contractions)},
			$before, $after),
		output => {
			kind   => 'article',
			file   => $file,
			words  => count_words($text),
			edits  => \%edits,
			flesch => $after
		},
	};
}

# The letter after a phrase that goes away takes over its capital.
sub _replace_phrases
{
	my ($text) = @_;
	my $count = 0;
	for my $pair (@phrases)
	{
		my ($stiff, $plain) = @$pair;
		$count += $$text =~ s/\b\u$stiff(\w)/$plain eq '' ? uc $1 : "\u$plain$1"/ge;
		$count += $$text =~ s/\b$stiff/$plain/g;
	}
	return $count;
}

# A semicolon, or a comma before "and" or "but" in a long sentence, becomes a full stop.
sub _split_sentences
{
	my ($text) = @_;
	my $count = 0;
	$count += $$text =~ s/; (\w)/'. ' . uc $1/ge;

	my @sentences = split /(?<=[.!?]) /, $$text;
	for my $sentence (grep { length > 110 } @sentences)
	{
		$count += $sentence =~ s/, (and|but) (?=(?:it|they|the|two|a) )/'. ' . ucfirst($1) . ' '/e;
	}
	$$text = join ' ', @sentences;
	return $count;
}

sub _contract
{
	my ($text) = @_;
	my $count = 0;
	for my $long (sort keys %contractions)
	{
		my $short = $contractions{$long};
		$count += $$text =~ s/\b$long\b(?=[ ,])/$short/g;
		$count += $$text =~ s/(?<!\*)\b\u$long\b(?= )/\u$short/g;
	}
	return $count;
}

1;
