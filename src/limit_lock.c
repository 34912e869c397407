/*-------------------------------------------------------------------------
 *
 * limit_lock.c
 *		The locks under which the claim counts what runs.
 *
 * They are object locks of the schema "vibe", which nothing else takes with
 * these keys, and not advisory locks: those any role could hold for ever.
 * Two limits whose names hash alike only wait for one another.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "common/hashfn.h"
#include "fmgr.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(vibe_try_lock_limit);

/* vibe._try_lock_limit(name): until the end of the transaction, or false at once */
Datum
vibe_try_lock_limit(PG_FUNCTION_ARGS)
{
	char	   *name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	Oid			class_id = get_namespace_oid("vibe", false);
	uint32		key = DatumGetUInt32(hash_any((unsigned char *) name, strlen(name)));

	PG_RETURN_BOOL(ConditionalLockDatabaseObject(class_id, key, 0, ExclusiveLock));
}
