#ifndef SHIM_SERVE_H
#define SHIM_SERVE_H

extern void serve_main(void);

#endif
