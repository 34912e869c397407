# What a run prints can be read while it runs, after it, and without its files.

use strict;
use warnings;
use utf8;

use FindBin;
use lib "$FindBin::Bin/../perl";
use PostgreSQL::Test::Utils;
use Test::More;
use VibeNode;

my $node = new_vibe_node('runlog', start => 0, conf => "log_statement = none\n");
my $base = $node->basedir;

write_runners($node, <<"EOR");
[demo]
kind    = plain
program = $base/agents/demo
limits  = stdout=16384
secret_env = KEY:$base/etc/key
EOR
append_to_file("$base/etc/key", "sesame-open\n");
chmod 0600, "$base/etc/key";
# two bytes a character, so that every odd place cuts one
write_agent($node, 'demo', <<'EOA');
case $VIBE_CAMPAIGN in
short) printf 'first äöü %s\n' "$KEY"; echo problem >&2;;
long) perl -e 'print "\xc3\xa4" x 50000, "end"';;
esac
touch "$BASE/printed.$VIBE_CAMPAIGN"
while [ ! -e "$BASE/go.$VIBE_CAMPAIGN" ]; do sleep 0.1; done
echo last
EOA
$node->start;
$node->safe_psql('postgres', 'CREATE DATABASE vo');
create_vibe($node);

# One part of a log; the fields as the columns are named.
sub part
{
	my ($run, $arguments) = @_;
	my $row = $node->safe_psql('vo',
		"SELECT octet_length(text), from_byte, next_byte, total_bytes, dropped_bytes, finished, md5(text) FROM vibe.run_log($run$arguments)");
	my %part;
	@part{qw(length from next total dropped finished md5)} = split /\|/, $row;
	return \%part;
}

sub text_of
{
	my ($run, $arguments) = @_;
	return $node->safe_psql('vo', "SELECT text FROM vibe.run_log($run$arguments)");
}

sub run_of
{
	my ($campaign) = @_;
	return $node->safe_psql('vo', "SELECT max(id) FROM vibe.runs WHERE campaign_id = $campaign");
}

sub end_of
{
	my ($name, $campaign) = @_;
	touch_file("$base/go.$name");
	return wait_for($node, "SELECT status = 'completed' FROM vibe.campaigns WHERE id = $campaign");
}

# while it runs
my $campaign = create_work($node, 'short', 1);
wait_for_file("$base/printed.short");
my $run = run_of($campaign);
ok(wait_for($node, "SELECT total_bytes > 0 FROM vibe.run_log($run)"), 'what was printed can be read while the run goes on');
like(text_of($run, ''), qr/^first .* \[masked\]$/, 'with secrets masked');
unlike(text_of($run, ''), qr/sesame/, 'and nothing of them left');
is(part($run, '')->{finished}, 'f', 'more may come');
is(text_of($run, ", 'stderr'"), "problem\n", 'the other stream');
my $before = part($run, '');
is("@$before{qw(from next dropped)}", "0 $before->{total} 0", 'all of it in one part');
end_of('short', $campaign);
my $after = part($run, ", from_byte => $before->{next}");
is("$after->{finished} $after->{length} $after->{from}", "t 5 $before->{next}", 'a reader goes on where it was');
is(part($run, ", from_byte => $after->{next}")->{length}, 0, 'until there is nothing more');
is(text_of($run, ', from_byte => -5'), "last\n", 'the last bytes');
is(part($run, ', from_byte => -100000')->{from}, 0, 'more than there are is all');
is(part($run, ', from_byte => 9223372036854775807')->{from}, $after->{total}, 'nothing begins after the end');

# head and tail of a long one
$campaign = create_work($node, 'long', 1);
wait_for_file("$base/printed.long");
$run = run_of($campaign);
end_of('long', $campaign);
wait_for($node, "SELECT count(*) = 1 FROM vibe.runs WHERE id = $run AND ended_at IS NOT NULL");
my $head = part($run, '');
is("$head->{from} $head->{next} $head->{total} $head->{dropped}", '0 4096 100008 ' . (int(100008 / 4096) - 3) * 4096,
	'a part ends where the middle was dropped, and says how much that is');
my $tail = part($run, ', from_byte => 4096');
is($tail->{from}, 4096 + $head->{dropped}, 'the next one begins after it');
is($tail->{next}, 100008, 'and goes to the end');
is("$tail->{finished}", 't', 'which is the end');

# every way to cut it gives the same text, whole characters only
foreach my $size (4, 5, 7, 1001)
{
	my ($at, $cut) = ($tail->{from}, 0);
	for (my $parts = 0; $parts < 4000; $parts++)
	{
		last if $size < 100 && $parts == 25;
		my $row = $node->safe_psql('vo', "SELECT next_byte, length(text), octet_length(text) FROM vibe.run_log($run, 'stdout', $at, $size)");
		my ($next, $characters, $bytes) = split /\|/, $row;
		last if $next == $at;
		$cut++ if $next - $at != $bytes || ($next < 100000 && $bytes != 2 * $characters);
		$at = $next;
	}
	is($cut, 0, "no character is cut in parts of $size bytes");
	is($at, 100008, '... which end at the end') if $size > 100;
}
is(part($run, ', from_byte => ' . ($tail->{from} + 1) . ', max_bytes => 4')->{from}, $tail->{from} + 2,
	'a part that would begin inside a character begins after it');

# what an agent can put in the way where it is of the server's user
my $files = run_directory($node) . "/done/$run";
sub spoiled
{
	my ($what, $prepare) = @_;
	rename "$files/stdout.0", "$files/kept";
	$prepare->("$files/stdout.0");
	my $text = text_of($run, ', max_bytes => 100');
	unlike($text, qr/PASSWORD/, "$what is not read");
	unlink "$files/stdout.0";
	rename "$files/kept", "$files/stdout.0";
	return;
}
append_to_file("$base/etc/foreign", "PASSWORD\n" x 1000);
spoiled('a link', sub { symlink "$base/etc/foreign", $_[0] });
spoiled('a file of another name', sub { link "$base/etc/foreign", $_[0] });
spoiled('a fifo', sub { system('mkfifo', $_[0]) });
append_to_file("$files/stderr.0", "a\x{0}b" . pack('H*', 'ff'));
is(text_of($run, ", 'stderr'"), 'a?b?', 'bytes that are no text are replaced');
rename $files, "$files.away";
symlink "$files.away", $files;
is(part($run, '')->{dropped}, '', 'a directory that is a link is not followed');
unlink $files;
my $kept = part($run, '');
is("$kept->{dropped} $kept->{finished}", ' t', 'without files the end is read that vibe.runs keeps');
is($kept->{length}, $node->safe_psql('vo', "SELECT octet_length(output_tail) FROM vibe.runs WHERE id = $run"), 'all of it');
rename "$files.away", $files;
utime 1e9, 1e9, "$files/launch";
is(part($run, '')->{dropped}, '', "files of an older run of that number are not this one's");

# refused
sub refused
{
	my ($arguments, $code) = @_;
	my ($status, $out, $err) = $node->psql('vo', "\\set VERBOSITY verbose\nSELECT * FROM vibe.run_log($arguments)");
	like($err, qr/ERROR:  $code/, "run_log($arguments) is $code");
	return;
}
refused("$run, 'stdin'", 'VB030');
refused("$run, NULL", 'VB030');
refused("$run, '../stdout'", 'VB030');
refused("$run, from_byte => NULL", 'VB030');
refused("$run, max_bytes => 3", 'VB030');
refused("$run, max_bytes => -1", 'VB030');
refused("$run, max_bytes => 2147483647", 'VB030');
refused('-1', 'VB006');
refused('NULL', 'VB006');
my ($status, $out, $err) = $node->psql('vo', "SET ROLE vibe_viewer; SELECT * FROM vibe.run_log($run)");
like($err, qr/permission denied/, 'a viewer may not read logs');
is($node->safe_psql('vo', "SET ROLE vibe_operator; SELECT count(*) FROM vibe.run_log($run)"), 1, 'an operator may');
$node->stop;
done_testing();
