#ifndef SHIM_RUN_H
#define SHIM_RUN_H

extern void run_main(const char *dir, int dispatcher_fd);

#endif
