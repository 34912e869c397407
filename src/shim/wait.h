#ifndef SHIM_WAIT_H
#define SHIM_WAIT_H

extern void wait_main(char **words);

#endif
