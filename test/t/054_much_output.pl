# test/chaos/030_much_output.pl as it is: it is over in seconds.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../perl";
# has to be compiled before the program runs
use VibeNode;

do "$FindBin::Bin/../chaos/030_much_output.pl" or die $@ || $!;
