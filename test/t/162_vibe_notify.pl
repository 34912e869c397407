# The notifier by itself: what it sends, how fast, what it refuses, and what is known when it is killed.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../perl";
use Digest::SHA qw(hmac_sha256_hex);
use Encode ();
use JSON::PP;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);
use VibeHttp;

chomp(my $bindir = `pg_config --bindir`);
my $json = JSON::PP->new->utf8->canonical;
my $work = PostgreSQL::Test::Utils::tempdir;
my $server = start_http("$work/requests");
my $run = 0;

# Starts it in a directory of its own, as a supervisor would, and returns its process.
sub begin
{
	my ($arguments, @texts) = @_;
	my $id = 100 * ++$run;
	my @messages = map { { id => '' . $id++, key => "key-$id", kind => 'task_blocked', text => $_ } } @texts;

	unlink "$work/result";
	unlink "$work/input";
	append_to_file("$work/input", $json->encode({ run_id => "$run", messages => \@messages }));
	my $pid = fork // die "fork: $!";
	return $pid if $pid;
	chdir $work or die "chdir: $!";
	open STDIN, '<', 'input' or die $!;
	open STDOUT, '>', 'output' or die $!;
	open STDERR, '>', 'errors' or die $!;
	$ENV{VIBE_RESULT} = "$work/result";
	$ENV{NOTIFY_SECRET} = '1:TOKEN';
	exec "$bindir/vibe_notify", @$arguments or die "exec: $!";
}

# Its exit status and what it answered.
sub end
{
	my ($pid) = @_;
	waitpid $pid, 0;
	my $status = $?;
	my $result = -e "$work/result" ? $json->decode(slurp_file("$work/result")) : {};
	return ($status >> 8, @{ $result->{output}{messages} || [] });
}

sub telegram { return ['telegram', '--chat', $_[0] // '7', '--base-url', $server->{url}, '--timeout', '1'] }
sub states { return join ' ', map { $_->{status} // '?' } @_ }

# text
my $long = "\x{1F600}" x 3000;
my ($status, @answers) = end(begin(telegram(), $long));
my ($request) = reverse http_requests($server);
my $text = $request->{json}{text};
is($status . states(@answers), '0sent', 'a message is sent');
cmp_ok(length(Encode::encode('UTF-16BE', $text)) / 2, '<=', 4096, 'cut to what Telegram takes');
like($text, qr/^\x{1F600}{2047}\x{2026}$/, 'between two characters');

# rate
my $began = time;
($status, @answers) = end(begin(telegram(), 'one', 'two', 'three'));
is(states(@answers), 'sent sent sent', 'several');
cmp_ok(time - $began, '>=', 2, 'not faster than one a second');
unlink glob "$work/telegram-*";
append_to_file("$work/telegram--9.times", join '', map { (time - 40 + $_) . "\n" } 1 .. 20);
($status, @answers) = end(begin(telegram('-9'), 'to a group', 'another'));
is($status . states(@answers), '0retry retry', 'nor twenty a minute in a group');
ok(!$answers[0]{tried}, 'which uses no attempt');
cmp_ok($answers[0]{retry_after_s}, '<=', 25, 'and says for how long');

# answers
($status, @answers) = end(begin(telegram(), 'a [429]', 'b', 'c'));
is(join(' ', map { $_->{retry_after_s} . ($_->{tried} // 'yes') } @answers), '3yes 30 30', '429 holds for all');
($status, @answers) = end(begin(telegram(), 'x [500,501]', 'b [200,200,200]'));
is(states(@answers), 'retry sent', 'one that fails may be the message');
($status, @answers) = end(begin(telegram(), 'x [502]', 'y [503]', 'z'));
is(join(' ', map { $_->{tried} // 'yes' } @answers), 'yes yes 0', 'two in a row are the server');
($status, @answers) = end(begin(telegram(), 'x [nothing,nothing,nothing]', 'z'));
is(join(' ', map { $_->{status} . ($_->{tried} // '') } @answers), 'retry0', 'what nobody can know is not answered');
($status, @answers) = end(begin(telegram(), 'x [401]', 'z'));
is(states(@answers), 'retry retry', 'a wrong token can be repaired');
($status, @answers) = end(begin(['telegram', '--chat', '7', '--base-url', 'http://127.0.0.1:1'], 'nobody listens'));
is(states(@answers) . ($answers[0]{tried} // 'yes'), 'retryyes', 'nobody listens: surely not sent');
unlike(slurp_file("$work/output") . slurp_file("$work/errors") . slurp_file("$work/result"), qr/TOKEN/, 'the token is not told');

# killed while one is under way
unlink glob "$work/telegram-*";
my $pid = begin(telegram(), 'fine', 'hangs [nothing,nothing]', 'later');
for (1 .. 300)
{
	last if grep { ($_->{json}{text} // '') =~ /^hangs/ } http_requests($server);
	select undef, undef, undef, 0.1;
}
kill 'KILL', $pid;
($status, @answers) = end($pid);
is(join(' ', map { $_->{status} . ($_->{tried} // '') } @answers), 'sent retry0', 'then only that one is in doubt');

# refusals
foreach my $case (
	['a chat that is none', telegram('7; x')], ['a chat that is an option', telegram('--url')],
	['no mode', []], ['no such option', ['telegram', '--token', 'x']], ['no address', ['webhook', '--url', 'file:///etc/passwd']],
	['a relative path', ['file', '--path', 'x']])
{
	($status, @answers) = end(begin($case->[1], 'x'));
	is($status, 64, $case->[0]);
}
append_to_file("$work/empty", "\n");
($status, @answers) = end(begin(['telegram', '--chat', '7', '--secret-file', "$work/empty"], 'x'));
is($status . states(@answers), '78retry', 'no token: nothing was sent');

# webhook
($status, @answers) = end(begin(['webhook', '--url', "$server->{url}/hook"], "gr\x{FC}\x{DF}e"));
($request) = reverse http_requests($server);
is(states(@answers) . $request->{path}, 'sent/hook', 'a webhook');
is($request->{header}{'idempotency-key'}, $request->{json}{key}, 'with a key that repeats with the message');
is($request->{header}{'x-vibe-signature'},
	'sha256=' . hmac_sha256_hex($request->{header}{'x-vibe-timestamp'} . '.' . $request->{body}, '1:TOKEN'),
	'and a signature of time and body');
($status, @answers) = end(begin(['webhook', '--url', $server->{url}], 'x [302]', 'y [404]', 'z [408]'));
is(states(@answers), 'failed failed retry', 'other answers; a redirection is not followed');

# file
my @file = ('file', '--path', "$work/sent");
end(begin(\@file, 'one', 'two'));
--$run;
($status, @answers) = end(begin(\@file, 'one', 'two', 'three'));
is(states(@answers), 'sent sent sent', 'a file');
is(scalar(my @lines = split /\n/, slurp_file("$work/sent")), 3, 'a message that is repeated stands in it once');
symlink "$work/sent", "$work/link";
($status, @answers) = end(begin(['file', '--path', "$work/link"], 'x'));
is(states(@answers), 'retry', 'links are not followed');

stop_http($server);
done_testing();
