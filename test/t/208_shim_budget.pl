# A run that spends more than its budget is ended, and keeps what it told.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";

use Test::More;
use VibeShim;

my $sim = "$agents/vibe-agent-sim";

sub spent
{
	my ($words, %run) = @_;
	my $run = new_run(run => { budget_usd => 0.05, %run },
		runner => { kind => 'vibe', argv => [ $sim, @$words ] });
	return (run_shim($run), $run);
}

{
	my ($record, $run) = spent([ 'usage=10,2,0.05', 'usage=20,4,0.07', 'setsid_child', 'hang' ]);
	is($record->{outcome}, 'budget', 'over its budget: ended');
	is($record->{error}, 'spent 0.07 USD; its budget was 0.05', '... with what it spent');
	is($record->{usage}{cost_usd}, 0.07, '... and its usage is kept');
	is($record->{usage}{input_tokens}, 20, '... its tokens too');
	is(still_running($run), 0, '... with its whole tree');
}
{
	my ($record) = spent([ 'usage=10,2,0.05', 'ok' ]);
	is($record->{outcome}, 'done', 'what spends all of it may end by itself');
	($record) = spent([ 'ok', 'usage=10,2,0.07', 'hang' ]);
	is($record->{outcome}, 'done', 'who told its result before has done its work');
	is($record->{usage}{cost_usd}, 0.07, '... and its cost is told');
	($record) = spent([ 'usage=10,2,9', 'ok' ], budget_usd => undef);
	is($record->{outcome}, 'done', 'without a budget there is none to keep');
}

# an agent that tells tokens only
{
	my @words = ('line={"vibe":"usage","input_tokens":1000,"output_tokens":5000}', 'hang');
	my %price = (input_tokens => 3, output_tokens => 15, cache_read_tokens => 0.3, cache_write_tokens => 4);
	my ($record) = spent(\@words, price => \%price);
	is($record->{outcome}, 'budget', 'tokens at their price count as well');
	is($record->{usage}{cost_usd}, undef, '... and are no reported cost');
	($record) = spent([ $words[0], 'ok' ], price => { %price, output_tokens => 9 });
	is($record->{outcome}, 'done', 'as long as they are within it');
}

done_testing();
