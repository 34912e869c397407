# test/chaos/020_random_kills.pl with few kills.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../perl";
# has to be compiled before the program runs
use VibeNode;

@ENV{qw(CHAOS_KILLS CHAOS_TASKS)} = (15, 10);
do "$FindBin::Bin/../chaos/020_random_kills.pl" or die $@ || $!;
