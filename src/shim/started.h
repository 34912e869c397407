#ifndef SHIM_STARTED_H
#define SHIM_STARTED_H

#include <stdbool.h>

extern const char *run_describe_self(void);
extern void run_take_ahead(int dir_fd);
extern bool run_take(int dir_fd);

#endif
