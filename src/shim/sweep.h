#ifndef SHIM_SWEEP_H
#define SHIM_SWEEP_H

#include "launch.h"

extern void sweep_behind_prefix(const Launch *launch, const char *run_dir);
extern void sweep_main(const char *run_dir);

#endif
