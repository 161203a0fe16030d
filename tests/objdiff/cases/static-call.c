// Premise: another static call is made
// Machines: x86_64
// Changed: run
#include "kernel.h"

DEFINE_STATIC_CALL(first, other);
DEFINE_STATIC_CALL(second, another);

int run(int value)
{
#ifdef PATCHED
	STATIC_CALL(second, second);
#else
	STATIC_CALL(first, first);
#endif
	return other(value);
}

int run_again(int value)
{
	STATIC_CALL(first, first);
	return other(value) + 1;
}
