#ifndef SHIM_SWEEP_H
#define SHIM_SWEEP_H

extern void sweep_main(const char *run_dir);

#endif
