# Quality Review: scores a draft by readability, outline and keywords, and sends a weak one back.
package Demo::Review;
use strict;
use warnings;
use List::Util qw(min max sum0);
use Demo::Text qw(terms flesch sections count_words);

# a section of fewer words than FULL_SECTION counts in part, one of fewer than THIN_SECTION as missing
use constant { PASS => 75, EASY => 90, FULL_SECTION => 70, THIN_SECTION => 25 };
my %share = (outline => 40, keywords => 25, readability => 25, length => 10);

sub run
{
	my ($contract) = @_;
	my ($brief)    = $contract->earlier('brief');
	my ($draft, $writer_step) = $contract->earlier('draft');
	my $text = $contract->workspace_file($draft->{file});
	$contract->progress(30, 'measuring the draft');

	my %found  = _measure($text, $brief);
	my $score  = sprintf '%.1f', sum0(map { $share{$_} * $found{$_} } keys %share);
	my $passed = $score >= PASS && !@{ $found{missing} };
	$contract->progress(70, "score $score");

	my $notes  = $passed ? undef : _notes(\%found, $brief);
	my $report = _report($contract->title, $score, \%found, $notes);
	my $file   = $contract->write_output($report);
	$contract->progress(90, $passed ? 'accepted' : 'sent back');
	$contract->usage(count_words($text), count_words($report));

	my %result = (
		score  => $score + 0,
		output => {
			kind    => 'review',
			file    => $file,
			flesch  => $found{flesch},
			words   => $found{words},
			missing => $found{missing}
		},);
	return { %result, summary => "accepted with $score" } if $passed;
	return {
		%result,
		summary     => "sent back with $score",
		status      => 'revise',
		target_step => $writer_step,
		notes       => $notes,
	};
}

# Each part of the score as a fraction, and what the notes need.
sub _measure
{
	my ($text, $brief) = @_;
	my %words_in = map  { $_->{heading} => count_words($_->{body}) } sections($text);
	my %present  = map  { $_            => 1 } terms($text);
	my @outline  = map  { $_->{heading} } @{ $brief->{outline} };
	my @missing  = grep { ($words_in{$_} // 0) < THIN_SECTION } @outline;
	my @unused   = grep { !$present{$_} } @{ $brief->{keywords} };
	my $words    = count_words($text);
	my $flesch   = flesch(_prose($text));
	return (
		outline  => sum0(map { min(1, ($words_in{$_} // 0) / FULL_SECTION) } @outline) / @outline,
		keywords => 1 - @unused / @{ $brief->{keywords} },
		readability => max(0, min(1, $flesch / EASY)),
		length      => min(1, $words / $brief->{target_words}),
		flesch      => $flesch,
		words       => $words,
		missing     => \@missing,
		unused      => \@unused,);
}

# Headings are no sentences and would make the text look easier than it is.
sub _prose
{
	my ($text) = @_;
	$text =~ s/^#.*$//mg;
	return $text;
}

sub _notes
{
	my ($found, $brief) = @_;
	my @notes;
	push @notes,
		'The outline asks for '
	  . join(' and ', map { "\"$_\"" } @{ $found->{missing} })
	  . ', which the draft leaves out.'
	  if @{ $found->{missing} };
	push @notes, 'Not used: ' . join(', ', @{ $found->{unused} }) . '.' if @{ $found->{unused} };
	push @notes, "Hard to read (Flesch $found->{flesch})." if $found->{flesch} < EASY / 3;
	push @notes, "About $brief->{target_words} words were asked for." if $found->{length} < 0.8;
	return join ' ', @notes;
}

sub _report
{
	my ($title, $score, $found, $notes) = @_;
	my $text  = "# Review: $title\n\n| measured | value | points |\n|---|---|---|\n";
	my %value = (
		outline => @{ $found->{missing} } ? scalar(@{ $found->{missing} }) . ' sections missing'
		: 'complete',
		keywords => @{ $found->{unused} } ? scalar(@{ $found->{unused} }) . ' not used'
		: 'all used',
		readability => "Flesch $found->{flesch}",
		length      => "$found->{words} words",);
	$text .= sprintf "| %s | %s | %.1f of %d |\n", $_, $value{$_}, $share{$_} * $found->{$_},
	  $share{$_}
	  for qw(outline keywords readability length);
	$text .= "\nScore: $score. " . (defined $notes ? "Sent back: $notes\n" : "Accepted.\n");
	return $text;
}

1;
