# A runner file that cannot be trusted or understood starts nothing; a bad
# reload keeps what was good.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../perl";
use PostgreSQL::Test::Utils;
use Test::More;
use VibeNode;

my $node = new_vibe_node('runnerfile');
my $base = $node->basedir;
my $file = "$base/etc/runners.conf";
my $good = slurp_file($file);

write_agent($node, 'demo', 'echo finished');
create_vibe($node);

# The problem that a session sees with this file.
sub problem_of
{
	my ($text) = @_;
	write_runners($node, $text) if defined $text;
	my ($status, $out, $err) = $node->psql('vo', "\\set VERBOSITY verbose\nSELECT * FROM vibe.runners()");
	return $err =~ /VB041/ ? ($err =~ /DETAIL:  (.*)/)[0] : 'none';
}

is(problem_of($good), 'none', 'a good file');
my %bad = (
	"[a]\nkind = vibe\nprogram = /bin/true\ncommand = x\n" => qr/line 4: unknown key "command"/,
	"[a]\nkind = aider\nprogram = /bin/true\n"             => qr/line 2: kind "aider" is not supported; supported kinds: claude, codex, gemini, opencode, plain, vibe/,
	"[a]\nkind = vibe\nprogram = true\n"                   => qr/line 3: program must be an absolute path/,
	"[a]\nkind = vibe\n"                                   => qr/line 1: runner "a" has no program/,
	"kind = vibe\n"                                        => qr/line 1: a key needs a \[name\]/,
	"[a b]\n"                                              => qr/line 1: a block begins with/,
	"[a]\nkind = vibe\nkind = vibe\n"                      => qr/line 3: key "kind" stands twice/,
	"[a]\nkind = vibe\nprogram = /bin/true\n[a]\n"         => qr/line 4: runner "a" is defined twice/,
	"[a]\nargs = \"open\n"                                 => qr/line 2: double quote is not closed/,
	"[a]\nargs = --model={model}\n"                        => qr/line 2: \{model\} must be a word of its own/,
	"[a]\nprefix = sudo -n\n"                              => qr/line 2: prefix must begin with an absolute path/,
	"[a]\npass_env = PGPASSWORD\n"                         => qr/line 2: the server's variable "PGPASSWORD"/,
	"[a]\nenv = 1X=2\n"                                    => qr/line 2: "1X" is not the name/,
	"[a]\nsecret_env = KEY:relative\n"                     => qr/line 2: the file of secret "KEY" must be an absolute path/,
	"[a]\nmax_parallel = 0\n"                              => qr/line 2: max_parallel must be a number/,
	"[a]\nlimits = timeout=99999999\n"                     => qr/line 2: limit "timeout" must be/,
	"[a]\nlimits = colour=1\n"                             => qr/line 2: unknown limit "colour"/,
	"[a]\npath = bin:/bin\n"                               => qr/line 2: path must be a list of absolute/,
	"[a]\nfallback_model = --yolo\n"                       => qr/line 2: fallback_model must be the name of a model/,
	"[a]\nkind = codex\nprogram = /bin/true\nfallback_model = m\n" => qr/line 1: runner "a" has a fallback_model but no fallback that would use it/,
	"# nothing\n"                                          => qr/names no runner/,
	"[a]\nkind = \xff\n"                                   => qr/is not UTF-8 text/,
);
foreach my $text (sort keys %bad)
{
	like(problem_of($text), $bad{$text}, "refused: " . ($bad{$text} =~ s/\(\?\^:(.*)\)$/$1/r));
}

# the file itself
write_runners($node, $good);
chmod 0664, $file;
like(problem_of(), qr/can be written by group or others/, 'a file that the group may write');
chmod 0644, $file;
chmod 0777, "$base/etc";
like(problem_of(), qr{etc" can be written by group or others}, 'a directory that others may write');
chmod 0755, "$base/etc";
rename $file, "$file.real";
symlink "$file.real", $file;
like(problem_of(), qr/is a symbolic link/, 'a link');
unlink $file;
like(problem_of(), qr/could not be opened: No such file/, 'no file');
mkdir $file;
like(problem_of(), qr/is not a regular file/, 'a directory');
rmdir $file;
system('mkfifo', $file);
like(problem_of(), qr/is not a regular file/, 'a fifo, without waiting for it');
unlink $file;

# the dispatcher: nothing good since its start
$node->restart;
ok(wait_for($node, "SELECT state = 'blocked' AND problem LIKE '%could not be opened%' FROM vibe.dispatcher_status()"),
	'without a file the dispatcher is blocked and says why');
my $campaign = create_work($node, 'blocked', 1);
write_runners($node, $good);
ok(wait_for($node, "SELECT status = 'completed' FROM vibe.campaigns WHERE id = $campaign"), 'and goes on when the file is there');

# a bad reload
write_runners($node, "[demo]\nnonsense\n");
$node->reload;
ok(wait_for($node, "SELECT state = 'running' AND problem LIKE '%line 2%' FROM vibe.dispatcher_status()"),
	'a bad reload is reported');
$campaign = create_work($node, 'kept', 1);
ok(wait_for($node, "SELECT status = 'completed' FROM vibe.campaigns WHERE id = $campaign"), 'and the old runners stay in use');
is(scalar(my @said = log_lines($node, 'the runners known before stay in use')), 1, 'the log says so once');
write_runners($node, $good);
$node->reload;
ok(wait_for($node, "SELECT state = 'running' AND problem IS NULL FROM vibe.dispatcher_status()"), 'a good one ends it');


# agents must not run as the server's user by accident
$node->append_conf('postgresql.conf', 'vibe_orchestrator.allow_same_user = off');
$node->restart;
ok(wait_for($node, "SELECT state = 'blocked' AND problem LIKE '%allow_same_user%' FROM vibe.dispatcher_status()"),
	'a runner without prefix needs allow_same_user');
is($node->safe_psql('vo', "SELECT problem FROM vibe.runners() WHERE name = 'demo'"),
	'no prefix, and vibe_orchestrator.allow_same_user is off', 'and vibe.runners() says so');
$node->stop;
done_testing();
