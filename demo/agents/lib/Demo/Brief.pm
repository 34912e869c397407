# Content Brief: turns research into an outline with keywords, questions and a length for the writer.
package Demo::Brief;
use strict;
use warnings;
use Demo::Text qw(terms count_words);

# what a reader of such a guide has time for
use constant TARGET_WORDS => 500;

sub run
{
	my ($contract) = @_;
	my ($research) = $contract->earlier('research');
	$contract->progress(30, 'ordering the sections');

	my @outline =
	  map { { heading => $_->{heading}, keywords => [ _keywords_of($_, $research->{keywords}) ] } }
	  @{ $research->{sections} };
	$contract->progress(60, 'choosing questions');

	my @questions = grep { defined } map { $_->{question} } @{ $research->{sections} };
	splice @questions, 3 if @questions > 3;
	my %brief = (
		kind         => 'brief',
		outline      => \@outline,
		keywords     => $research->{keywords},
		questions    => \@questions,
		target_words => TARGET_WORDS,);
	my $report = _report($contract->title, \%brief);
	$brief{file} = $contract->write_output($report);
	$contract->progress(90, 'brief written');
	$contract->usage(count_words($contract->workspace_file($research->{file})),
		count_words($report));
	return {
		summary => sprintf(
			'%d sections, %d questions, %d words',
			scalar @outline,
			scalar @questions,
			TARGET_WORDS),
		output => \%brief,
	};
}

# The keywords that a section's facts contain: a section without any would not be worth its place.
sub _keywords_of
{
	my ($section, $keywords) = @_;
	my %present = map { $_ => 1 } terms(join ' ', @{ $section->{facts} });
	return grep { $present{$_} } @$keywords;
}

sub _report
{
	my ($title, $brief) = @_;
	my $text =
		"# Brief: $title\n\nLength: about $brief->{target_words} words\n\nKeywords: "
	  . join(', ', @{ $brief->{keywords} })
	  . "\n\n## Outline\n\n";
	my $number = 0;
	for my $section (@{ $brief->{outline} })
	{
		$text .= sprintf "%d. %s", ++$number, $section->{heading};
		$text .= ' (' . join(', ', @{ $section->{keywords} }) . ')' if @{ $section->{keywords} };
		$text .= "\n";
	}
	$text .= "\n## Questions to answer\n\n";
	$text .= "- $_\n" for @{ $brief->{questions} };
	return $text;
}

1;
