# Recorded output of the command-line agents, replayed through a shim that
# watches its own memory: what each run meant, what it used, what it said.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../perl";

use Digest::SHA qw(sha256_hex);
use Encode ();
use JSON::PP;
use Test::More;
use VibeShim;

my $fixtures = "$FindBin::RealBin/../fixtures/agent-cli";
my $at_once  = 8;

sanitized_shim();

sub replay
{
	my ($path, %with) = @_;
	my ($kind) = $path =~ m{([^/]+)/[^/]+$};
	my $run = new_run(%with, runner => { kind => $kind, argv => [ "$agents/vibe-agent-sim", "replay=$path" ] });
	start_shim($run);
	return $run;
}

# Only what is known: undef where the recording cannot tell.
sub usage_of
{
	my ($usage) = @_;
	return undef unless $usage;
	return { map { $_ => $usage->{$_} } qw(input_tokens cache_read_tokens cache_write_tokens output_tokens) };
}

# Whether this is the recorded text: itself, or its length and digest.
sub same_text
{
	my ($got, $expected) = @_;
	return !defined $got unless defined $expected;
	return 0 unless defined $got;
	return $got eq $expected unless ref $expected;
	return length $got == $expected->{chars}
	  && sha256_hex(Encode::encode_utf8($got)) eq $expected->{sha256_utf8};
}

sub compare
{
	my ($name, $record, $expect, $published) = @_;
	my @outcomes = ($expect->{outcome_if_signal_unknown}, @{ $expect->{also_acceptable} });
	# these could not be told from outside: what was recorded ended by the recorder's own signal
	push @outcomes, 'killed' if grep { $_ eq 'timeout' } @outcomes;
	ok((grep { $record->{outcome} eq $_ } @outcomes), "$name: $record->{outcome}")
	  or diag("wanted @outcomes: ", $record->{error} // '');
	is_deeply(usage_of($record->{usage}), usage_of($expect->{usage}), "$name: usage");
	my $cost = ($record->{usage} // {})->{cost_usd};
	ok($expect->{cost_known} ? defined $cost && abs($cost - $expect->{cost_usd}) < 1e-6 : !defined $cost,
		"$name: cost") or diag($cost // 'none');
	is($record->{session}, $expect->{session_id}, "$name: session");
	ok(same_text($record->{result}{output}{text}, $expect->{result}), "$name: text")
	  or diag(substr $record->{result}{output}{text} // 'none', 0, 200);
	my $reset = $record->{resets_at};
	ok(!defined $expect->{reset_at} ? !defined $reset || $reset == ($expect->{reset_in_text} // 0) : defined $reset && $reset == $expect->{reset_at},
		"$name: end of the limit") or diag($reset // 'none');
	ok(!$record->{permanent}, "$name: worth another try") if $expect->{retry_may_help};
	ok(defined $record->{error} || $record->{outcome} eq 'done', "$name: says why");
	is(defined $published, $record->{outcome} eq 'done', "$name: text is staged to be published");
	return;
}

my @paths = sort glob "$fixtures/*/*";
cmp_ok(scalar @paths, '>', 100, 'there are recordings');
while (my @block = splice @paths, 0, $at_once)
{
	my @runs = map { replay($_) } @block;
	for my $path (@block)
	{
		my $run = shift @runs;
		my ($name) = $path =~ m{([^/]+/[^/]+)$};
		my $meta = decode_json(slurp("$path/meta.json"));
		is(wait_shim($run, 60), 0, "$name: shim ends with status 0");
		compare($name, exit_record($run) // {}, $meta->{expect}, slurp("$run->{dir}/publish"));
	}
}

# a thread's running total, once it is known what it had used before
{
	my $path   = "$fixtures/codex/resume-ok";
	my $expect = decode_json(slurp("$path/meta.json"))->{expect};
	my $before = decode_json(slurp("$fixtures/codex/resume-ok-first/meta.json"))->{expect}{usage};
	my $run    = replay($path, run => { resume_usage => usage_of($before) });
	wait_shim($run, 60);
	is_deeply(usage_of(exit_record($run)->{usage}), usage_of($expect->{usage_of_this_run}),
		'codex: usage of a resumed thread is that of the run');
}

done_testing();
