/*-------------------------------------------------------------------------
 *
 * vibe_orchestrator.c
 *		Entry point of the library, and what it says about itself.
 *
 * The library is useful in two ways.  Preloaded, it defines all settings,
 * shared memory and the launcher.  Loaded on demand by a SQL function, it
 * defines what a session may set and nothing else; functions that need a
 * dispatcher then say how to configure one.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <unistd.h>

#include "access/xlog.h"
#include "compat.h"
#include "fmgr.h"
#include "guc.h"
#include "launcher.h"
#include "miscadmin.h"
#include "shmem.h"
#include "storage/fd.h"
#include "utils/builtins.h"
#include "wake.h"

#define MACHINE_ID_LENGTH 32

VIBE_MODULE_MAGIC;

extern PGDLLEXPORT void _PG_init(void);

static void read_machine_id(char *id, size_t size);

PG_FUNCTION_INFO_V1(vibe_library_version);
PG_FUNCTION_INFO_V1(vibe_home_identity);

void
_PG_init(void)
{
	vibe_guc_init();
	if (!process_shared_preload_libraries_in_progress)
		return;
	vibe_shmem_init();
	vibe_wake_init();
	vibe_launcher_register();
}

/* vibe._library_version(): what is loaded, which may be older than the SQL. */
Datum
vibe_library_version(PG_FUNCTION_ARGS)
{
	PG_RETURN_TEXT_P(cstring_to_text(VIBE_VERSION));
}

/* The machine's own id; where there is none, its name has to do. */
static void
read_machine_id(char *id, size_t size)
{
	FILE	   *file = AllocateFile("/etc/machine-id", "r");
	size_t		length = 0;

	if (file != NULL)
	{
		length = fread(id, 1, Min(size - 1, MACHINE_ID_LENGTH), file);
		FreeFile(file);
	}
	id[length] = '\0';
	if (strspn(id, "0123456789abcdef") == MACHINE_ID_LENGTH)
		return;
	if (gethostname(id, size - 1) != 0)
		strlcpy(id, "unknown", size);
	id[size - 1] = '\0';
}

/*
 * vibe._home_identity(): "system identifier/database oid/machine id".
 *
 * A restored dump differs in the first two, a standby promoted elsewhere or a
 * cloned data directory in the third.
 */
Datum
vibe_home_identity(PG_FUNCTION_ARGS)
{
	char		machine[256];

	read_machine_id(machine, sizeof(machine));
	PG_RETURN_TEXT_P(cstring_to_text(psprintf(UINT64_FORMAT "/%u/%s",
											  GetSystemIdentifier(),
											  MyDatabaseId, machine)));
}
