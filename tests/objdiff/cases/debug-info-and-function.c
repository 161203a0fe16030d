// Premise: a function changed, with debug information and tables for unwinding
// Flags: -g -fasynchronous-unwind-tables
// Changed: sum
#include "kernel.h"

struct pair { int first, second; };

int sum(const struct pair *pair)
{
	int result = pair->first;

#ifdef PATCHED
	print("%d\n", another(result));
#endif
	return other(result) + pair->second;
}

int difference(const struct pair *pair)
{
	int result = pair->first;

	return other(result) - pair->second;
}
