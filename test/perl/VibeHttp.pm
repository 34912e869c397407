package VibeHttp;

# An HTTP server that stands in for Telegram and for whatever a webhook calls. What it answers is written in the
# message: "[500,200]" in its text gets status 500 first, then 200 for good. Words: a status, "garbage" (status 200,
# no JSON), "nothing" (no answer at all). Each request is noted as one JSON line.

use strict;
use warnings;

use Exporter qw(import);
use IO::Socket::INET;
use JSON::PP;
use POSIX ();
use PostgreSQL::Test::Utils;

our @EXPORT = qw(start_http stop_http http_requests);

my $json = JSON::PP->new->utf8->canonical;

# Listens on a free port, in a process of its own; requests are noted in the file.
sub start_http
{
	my ($log) = @_;
	my $socket = IO::Socket::INET->new(Listen => 10, LocalAddr => '127.0.0.1', ReuseAddr => 1)
	  or die "listen: $!";
	my $pid = fork // die "fork: $!";

	if ($pid == 0)
	{
		my (%seen, @open);

		$SIG{TERM} = sub { POSIX::_exit(0) };
		while (my $client = $socket->accept)
		{
			my $request = read_request($client) or next;
			my ($script) = $request->{body} =~ /\[([a-z0-9,]+)\]/;
			my @words = split /,/, $script // '200';
			my $n = $seen{ $script // '' }++;
			my $word = $words[$n < @words ? $n : -1];

			$request->{answered} = $word;
			append_to_file($log, $json->encode($request) . "\n");
			if ($word eq 'nothing') { push @open, $client }
			else { answer($client, $word) }
		}
		POSIX::_exit(0);
	}
	return { pid => $pid, url => 'http://127.0.0.1:' . $socket->sockport, log => $log };
}

sub read_request
{
	my ($client) = @_;
	my $text = '';

	while ($text !~ /\r\n\r\n/) { sysread $client, $text, 65536, length $text or return }
	my ($head, $body) = split /\r\n\r\n/, $text, 2;
	my ($length) = $head =~ /^content-length: (\d+)/im;
	while (length $body < ($length // 0)) { sysread $client, $body, 65536, length $body or return }
	my ($path) = $head =~ /^\S+ (\S+)/;
	my %header = map { /^([^:]+): (.*?)\r?$/ ? (lc $1 => $2) : () } split /\n/, $head;
	return { path => $path, header => \%header, body => $body };
}

sub answer
{
	my ($client, $word) = @_;
	my $status = $word eq 'garbage' ? 200 : $word;
	my %said = (ok => $status == 200 ? JSON::PP::true : JSON::PP::false);

	%said = (%said, error_code => $status + 0, description => "status $status") if $status != 200;
	$said{parameters} = { retry_after => 3 } if $status == 429;
	my $body = $word eq 'garbage' ? '<html>not what you think' : $json->encode(\%said);
	print {$client} "HTTP/1.1 $status x\r\nContent-Length: " . length($body) . "\r\nConnection: close\r\n\r\n$body";
	close $client;
	return;
}

sub stop_http
{
	my ($server) = @_;
	kill 'TERM', $server->{pid};
	waitpid $server->{pid}, 0;
	return;
}

# What was asked so far, with the JSON of each body.
sub http_requests
{
	my ($server) = @_;
	return () if !-e $server->{log};
	my @requests = map { $json->decode($_) } split /\n/, slurp_file($server->{log});
	$_->{json} = eval { $json->decode($_->{body}) } foreach @requests;
	return @requests;
}

1;
