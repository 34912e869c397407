#ifndef SHIM_OUTCOME_H
#define SHIM_OUTCOME_H

#include "inner.h"
#include "kind.h"

/* Why the shim ended the agent; CAUSE_NONE when it ended by itself. */
typedef enum Cause
{
	CAUSE_NONE,
	CAUSE_LINGER,
	CAUSE_CANCELLED,
	CAUSE_LOST,
	CAUSE_START,
	CAUSE_IDLE,
	CAUSE_TOTAL,
	CAUSE_BUDGET
} Cause;

typedef struct Outcome
{
	const char *name;			/* one of the contract's outcome classes */
	char	   *error;			/* NULL for none */
	bool		permanent;
	bool		explained;		/* error says it all: stderr adds nothing */
} Outcome;

extern Outcome outcome_decide(Cause cause, const AgentEnd *end, const Report *report, const Kind *kind);
extern bool outcome_has_output(const Outcome *outcome);

#endif
