/*
 * shmem.h
 *		What the workers and the SQL functions share.
 */
#ifndef VIBE_SHMEM_H
#define VIBE_SHMEM_H

#include "port/atomics.h"
#include "storage/latch.h"
#include "storage/lwlock.h"
#include "storage/spin.h"
#include "datatype/timestamp.h"

#define VIBE_MAX_DATABASES 64
#define VIBE_PROBLEM_LENGTH 512

typedef enum VibeState
{
	VIBE_STARTING,				/* no look at the database yet */
	VIBE_NO_EXTENSION,			/* connected, nothing to do */
	VIBE_FOREIGN,				/* the database belongs to another server */
	VIBE_BLOCKED,				/* problem says what is in the way */
	VIBE_RUNNING
} VibeState;

/* bits of VibeSlot.pending */
#define VIBE_PENDING_WORK		1	/* something became ready */
#define VIBE_PENDING_COMPLETED	2	/* a step was completed */
#define VIBE_PENDING_EXTENSION	4	/* an extension was created, updated or dropped */

/*
 * One configured database.  A slot gets its name once and keeps it until the
 * server restarts, so an index into the array stays valid.
 */
typedef struct VibeSlot
{
	/* protected by VibeShared.lock; only the launcher sets the name */
	NameData	name;			/* empty: slot is free */
	VibeState	state;
	char		problem[VIBE_PROBLEM_LENGTH];
	int			running;
	TimestampTz started_at;		/* of the dispatcher now or last running */

	/*
	 * Protected by mutex, because a committing backend reads them: it must neither wait long nor
	 * be able to fail.  database is also read without the lock to find the slot; an Oid is read in
	 * one piece.
	 */
	slock_t		mutex;
	Oid			database;
	pid_t		pid;			/* 0: no dispatcher */
	Latch	   *latch;

	pg_atomic_uint32 pending;	/* set by backends, taken by the dispatcher */
	pg_atomic_uint64 wakeups;	/* returns from waiting */
} VibeSlot;

typedef struct VibeShared
{
	LWLock	   *lock;
	slock_t		launcher_mutex;
	Latch	   *launcher_latch; /* NULL: no launcher */
	VibeSlot	slots[VIBE_MAX_DATABASES];
} VibeShared;

/* NULL unless the library was preloaded */
extern VibeShared *vibe_shared;

extern void vibe_shmem_init(void);
extern void vibe_shmem_require(void);
extern VibeSlot *vibe_slot_of_database(Oid database);
extern pid_t vibe_slot_pid(VibeSlot *slot);
extern bool vibe_slot_attach(VibeSlot *slot, Oid database, pid_t pid, Latch *latch);
extern void vibe_slot_detach(VibeSlot *slot);
extern bool vibe_slot_wake(VibeSlot *slot, uint32 bits);
extern void vibe_slot_report(VibeSlot *slot, VibeState state, const char *problem, int running);
extern void vibe_launcher_wake(void);
extern void vibe_launcher_set_latch(Latch *latch);

#endif							/* VIBE_SHMEM_H */
