#ifndef SHIM_ENVIRONMENT_H
#define SHIM_ENVIRONMENT_H

#include "launch.h"
#include "mask.h"
#include "workspace.h"

extern void environment_know_user(void);
extern json_t *environment_from_outside(const Launch *launch, Secrets *secrets, char **problem);
extern char **environment_for_agent(const Launch *launch, const Place *place,
									const char *run_dir, json_t *outside);
extern char **environment_for_prefix(const Launch *launch, const char *run_dir);
extern char **words_from_json(json_t *array, size_t extra);

#endif
