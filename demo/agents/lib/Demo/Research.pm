# Keyword Research: finds the text on the topic, what related texts add, and the terms that matter.
package Demo::Research;
use strict;
use warnings;
use List::Util qw(sum0 max);
use Demo::Text qw(terms sentences weigh_terms read_corpus count_words);

use constant { KEYWORDS => 8, RELATED => 2 };

sub run
{
	my ($contract) = @_;
	my @corpus     = read_corpus($contract->{corpus});
	my $weight     = weigh_terms(map { $_->{text} } @corpus);
	$contract->progress(20, 'reading ' . @corpus . ' texts');

	my ($main, @others) = _by_relevance($contract->title, $weight, @corpus);
	$contract->progress(50, "the source is \"$main->{title}\"");

	my @keywords = _keywords($main, $weight);
	my @related  = _related($main, \@keywords, $weight, @others);
	$contract->progress(80, 'collecting facts');

	my %research = (
		kind     => 'research',
		source   => $main->{title},
		keywords => \@keywords,
		sections => [
			map {
				{
					heading  => $_->{heading},
					question => $_->{question},
					facts    => [ sentences($_->{body}) ]
				}
			} @{ $main->{sections} }
		],
		related => \@related,);
	my $report = _report($contract->title, \%research);
	$research{file} = $contract->write_output($report);
	$contract->usage(sum0(map { count_words($_->{text}) } @corpus), count_words($report));
	return {
		summary => sprintf(
			'%d facts in %d sections from "%s"',
			_fact_count(\%research),
			scalar @{ $main->{sections} },
			$main->{title}),
		output => \%research,
	};
}

# The title counts three times: a topic that names its text must find it.
sub _by_relevance
{
	my ($topic, $weight, @corpus) = @_;
	my %wanted = map { $_ => 1 } terms($topic);
	my %score;
	for my $text (@corpus)
	{
		my @hits = grep { $wanted{$_} } terms($text->{text}), (terms($text->{title})) x 3;
		$score{ $text->{name} } = sum0(map { $weight->{$_} // 0 } @hits);
	}
	return
	  sort { $score{ $b->{name} } <=> $score{ $a->{name} } || $a->{name} cmp $b->{name} } @corpus;
}

sub _keywords
{
	my ($main, $weight) = @_;
	my %count;
	$count{$_}++ for terms($main->{text});
	my @ranked =
	  sort { $count{$b} * $weight->{$b} <=> $count{$a} * $weight->{$a} || $a cmp $b } keys %count;
	return grep { defined } @ranked[ 0 .. KEYWORDS - 1 ];
}

# Sentences of other texts in which the keywords of this one turn up, the best of each text.
sub _related
{
	my ($main, $keywords, $weight, @others) = @_;
	my %wanted = map { $_ => 1 } @$keywords;
	my @found;
	for my $text (@others)
	{
		for my $sentence (map { sentences($_->{body}) } @{ $text->{sections} })
		{
			my %hits = map { $_ => 1 } grep { $wanted{$_} } terms($sentence);
			push @found,
			  {
				from  => $text->{title},
				fact  => $sentence,
				score => sum0(map { $weight->{$_} } keys %hits)
			  }
			  if keys %hits >= 2;
		}
	}
	@found = sort { $b->{score} <=> $a->{score} || $a->{fact} cmp $b->{fact} } @found;
	splice @found, RELATED if @found > RELATED;
	return map { { from => $_->{from}, fact => $_->{fact} } } @found;
}

sub _fact_count
{
	return sum0(map { scalar @{ $_->{facts} } } @{ $_[0]{sections} });
}

sub _report
{
	my ($title, $research) = @_;
	my $text = "# Research: $title\n\nSource: $research->{source}\n\nKeywords: "
	  . join(', ', @{ $research->{keywords} }) . "\n";
	for my $section (@{ $research->{sections} })
	{
		$text .= "\n## $section->{heading}\n\n";
		$text .= "People ask: $section->{question}\n\n" if $section->{question};
		$text .= "- $_\n" for @{ $section->{facts} };
	}
	$text .= "\n## From related texts\n\n" if @{ $research->{related} };
	$text .= "- $_->{fact} ($_->{from})\n" for @{ $research->{related} };
	return $text;
}

1;
