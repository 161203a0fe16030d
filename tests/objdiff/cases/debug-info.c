// Premise: lines were added above, with debug information and tables for unwinding
// Flags: -g -fasynchronous-unwind-tables
#include "kernel.h"

struct pair { int first, second; };

#ifdef PATCHED
#line 50
#endif
int sum(const struct pair *pair)
{
	int result = pair->first;

	return other(result) + pair->second;
}
