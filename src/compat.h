/*
 * compat.h
 *		What differs between PostgreSQL 15 and 18.  The only place where
 *		PG_VERSION_NUM is looked at.
 */
#ifndef VIBE_COMPAT_H
#define VIBE_COMPAT_H

#include "storage/latch.h"
#include "utils/datetime.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/wait_event.h"

#if PG_VERSION_NUM < 150000
#error "vibe_orchestrator needs PostgreSQL 15 or newer"
#endif

/* a wait event set that lives as long as the process */
static inline WaitEventSet *
vibe_create_wait_set(int nevents)
{
#if PG_VERSION_NUM >= 170000
	return CreateWaitEventSet(NULL, nevents);
#else
	return CreateWaitEventSet(TopMemoryContext, nevents);
#endif
}

/* what a check hook hands to the server, which frees it; NULL when out of memory */
static inline void *
vibe_guc_malloc(size_t size)
{
#if PG_VERSION_NUM >= 160000
	return guc_malloc(LOG, size);
#else
	return malloc(size);
#endif
}

/* what pg_stat_activity shows while a worker waits */
static inline uint32
vibe_wait_event(const char *name)
{
#if PG_VERSION_NUM >= 170000
	return WaitEventExtensionNew(name);
#else
	(void) name;
	return PG_WAIT_EXTENSION;
#endif
}

static inline int
vibe_decode_datetime(char **field, int *ftype, int nf, int *dtype,
					 struct pg_tm *tm, fsec_t *fsec, int *tzp)
{
#if PG_VERSION_NUM >= 160000
	DateTimeErrorExtra extra;

	return DecodeDateTime(field, ftype, nf, dtype, tm, fsec, tzp, &extra);
#else
	return DecodeDateTime(field, ftype, nf, dtype, tm, fsec, tzp);
#endif
}

/* 18 lets a module carry its own name and version */
#if PG_VERSION_NUM >= 180000
#define VIBE_MODULE_MAGIC \
	PG_MODULE_MAGIC_EXT(.name = "vibe_orchestrator", .version = VIBE_VERSION)
#else
#define VIBE_MODULE_MAGIC PG_MODULE_MAGIC
#endif

#endif							/* VIBE_COMPAT_H */
