# test/chaos/010_hostile_agent.pl with few cancels and kills.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../perl";
# has to be compiled before the program runs
use VibeNode;

@ENV{qw(CHAOS_CANCELS CHAOS_AT_ONCE CHAOS_SHIM_KILLS CHAOS_DISPATCHER_KILLS CHAOS_POSTMASTER_KILLS)} = (6, 3, 2, 1, 1);
do "$FindBin::Bin/../chaos/010_hostile_agent.pl" or die $@ || $!;
