#ifndef SHIM_RUN_H
#define SHIM_RUN_H

extern void run_main(const char *dir);

#endif
