# The shim's parsers under garbage for some seconds, with the sanitizers of clang: scripts/fuzz.

use strict;
use warnings;

use Cwd qw(abs_path);
use FindBin;
use lib "$FindBin::RealBin/../perl";
use Test::More;

my $top = abs_path("$FindBin::RealBin/../..");
my @kinds = qw(claude codex gemini opencode vibe frames);

$ENV{FUZZ_INSTALL} = 'no';
$ENV{FUZZ_SECONDS} //= 2 * @kinds;
my $said = `'$top/scripts/fuzz' @kinds 2>&1`;
my $status = $? >> 8;

plan skip_all => "clang cannot fuzz here: $said" =~ s/\n/ /gr if $status == 77;
is($status, 0, 'nothing was found') or diag($said);
# one that hangs on each input or never gets any would find nothing either
foreach my $kind (@kinds)
{
	my ($runs) = $said =~ /^$kind: Done (\d+) runs/m;
	cmp_ok($runs // 0, '>', 100, "$kind: was tried");
	note("$kind: " . ($runs // 'no') . ' inputs');
}

done_testing();
