# scripts/test-runner's checks pass for a runner that keeps the contract, and fail for one that does not.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../perl";
use PostgreSQL::Test::Utils;
use Test::More;

my $top = "$FindBin::Bin/../..";
plan skip_all => 'needs the scratch cluster of test/run' if !$ENV{SCRATCH} || !-d "$ENV{SCRATCH}/data";

my $file = PostgreSQL::Test::Utils::tempdir() . '/runners.conf';
append_to_file($file, <<"EOR");
[good]
kind    = vibe
program = $top/test/agents/vibe-agent-sim
args    = usage=1,2,0.5 ok

[bad]
kind    = vibe
program = /bin/true
EOR
chmod 0644, $file;

sub check
{
	my ($runner) = @_;
	local %ENV = (%ENV, RUNNER => $runner, RUNNER_FILE => $file, PGHOST => $ENV{SCRATCH}, PGUSER => 'postgres', PGDATABASE => 'postgres');
	my $output = `$^X $top/test/runner/010_contract.pl 2>&1`;
	return ($?, $output);
}

my ($status, $output) = check('good');
is($status, 0, 'a good runner passes') or diag($output);
like($output, qr/^ok \d+ - it does a small task/m, '... and what was checked is said');
($status, $output) = check('bad');
isnt($status, 0, 'a bad one fails');
like($output, qr/^not ok \d+ - there is a result of its kind/m, '... and why is said');
like($output, qr/exit code 0 without a result/, '... and shown');
($status, $output) = check('absent');
like($output, qr/Bail out!.*runner "absent" is not in the runner file/, 'one that is not there is named');
done_testing();
