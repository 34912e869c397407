# Write Article: an article from the brief and the facts. It keeps to the brief's length, and so a
# long topic loses its last sections; a reviewer's notes that name them outweigh the length.
package Demo::Write;
use strict;
use warnings;
use Demo::Text qw(count_words);

# stiff on purpose, as drafts are: the humanizer has to find something
my @openers = (
	'It is important to note that ',
	'In addition, ',
	'As a matter of fact, ',
	'It should be mentioned that ');

sub run
{
	my ($contract) = @_;
	my ($research) = $contract->earlier('research');
	my ($brief)    = $contract->earlier('brief');
	$contract->progress(10,
		$contract->notes ? 'reading the notes of the reviewer' : 'reading the brief');

	my %facts_of = map { $_->{heading} => $_ } @{ $research->{sections} };
	my @headings = map { $_->{heading} } @{ $brief->{outline} };
	my @demanded = _headings_in_notes($contract->notes, @headings);
	my $text     = "# "
	  . ucfirst($contract->title) . "\n\n"
	  . _introduction($contract->title, $research, $brief);
	my $questions = _questions($brief, $research);
	my $room      = $brief->{target_words} - count_words($text) - count_words($questions);
	my @written;

	for my $heading (@headings)
	{
		my $section = _section($facts_of{$heading}, scalar @written);
		my $words   = count_words($section);
		next if $words > $room && !grep { $_ eq $heading } @demanded;
		$room -= $words;
		$text .= $section;
		push @written, $heading;
		$contract->progress(20 + int(60 * @written / @headings), "wrote \"$heading\"")
		  if @written == int(@headings / 2);
	}
	$text .= _related($research) . $questions;
	my $file = $contract->write_output($text);
	$contract->progress(95, 'draft written');
	$contract->usage(
		count_words($contract->workspace_file($research->{file})) +
		  count_words($contract->workspace_file($brief->{file})),
		count_words($text));
	return {
		summary => sprintf(
			'%d words, %d of %d sections',
			count_words($text),
			scalar @written,
			scalar @headings),
		output =>
		  { kind => 'draft', file => $file, words => count_words($text), sections => \@written },
	};
}

sub _headings_in_notes
{
	my ($notes, @headings) = @_;
	return () unless defined $notes;
	return grep { index($notes, "\"$_\"") >= 0 } @headings;
}

sub _introduction
{
	my ($title, $research, $brief) = @_;
	my $first  = $research->{sections}[0]{facts}[0];
	my @topics = map { lc $_->{heading} } @{ $brief->{outline} };
	my $last   = pop @topics;
	return
		"$first This guide on $title has been written in order to give beginners a good start. "
	  . 'It covers '
	  . join(', ', @topics)
	  . " and $last.\n\n";
}

sub _section
{
	my ($section, $number) = @_;
	my @facts = @{ $section->{facts} };
	if (@facts > 1)
	{
		my $which = $number % @openers;
		$facts[1] = $openers[$which] . _lower_first($facts[1]);
	}
	return "## $section->{heading}\n\n" . join(' ', @facts) . "\n\n";
}

# The first letter after an opener is small, unless the word is a name or an abbreviation.
sub _lower_first
{
	my ($sentence) = @_;
	return $sentence =~ /^(?:[A-Z]\b|[A-Z]{2}|Celsius|Scotland)/
	  && $sentence   !~ /^A / ? $sentence : lcfirst $sentence;
}

sub _related
{
	my ($research) = @_;
	return '' unless @{ $research->{related} };
	return "## Good to know\n\n" . join(' ', map { $_->{fact} } @{ $research->{related} }) . "\n\n";
}

# Each question with the fact that answers it best: the first of the section it belongs to.
sub _questions
{
	my ($brief, $research) = @_;
	my %answer = map { ($_->{question} // '') => $_->{facts}[0] } @{ $research->{sections} };
	return
	  "## Questions and answers\n\n"
	  . join("\n\n", map { "**$_** $answer{$_}" } @{ $brief->{questions} }) . "\n";
}

1;
