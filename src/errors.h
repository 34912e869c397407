/*
 * errors.h
 *		The SQLSTATEs of class VB.  README lists them with what to do; the SQL
 *		functions raise the same codes by name.
 */
#ifndef VIBE_ERRORS_H
#define VIBE_ERRORS_H

#include "utils/elog.h"

#define ERRCODE_VIBE_RUN_NOT_FOUND			MAKE_SQLSTATE('V','B','0','0','6')
#define ERRCODE_VIBE_INVALID_ARGUMENT		MAKE_SQLSTATE('V','B','0','3','0')
#define ERRCODE_VIBE_RUNNER_FILE			MAKE_SQLSTATE('V','B','0','4','1')
#define ERRCODE_VIBE_NOT_PRELOADED			MAKE_SQLSTATE('V','B','0','5','0')
#define ERRCODE_VIBE_VERSIONS_DIFFER		MAKE_SQLSTATE('V','B','0','5','1')

#endif							/* VIBE_ERRORS_H */
