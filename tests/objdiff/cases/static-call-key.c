// Premise: the table has another key for a static call, the code calls the same trampoline
// Machines: x86_64
// Changed: run
#include "kernel.h"

DEFINE_STATIC_CALL(first, other);
DEFINE_STATIC_CALL(second, another);

int run(int value)
{
#ifdef PATCHED
	STATIC_CALL(first, second);
#else
	STATIC_CALL(first, first);
#endif
	return other(value);
}

int run_again(int value)
{
	STATIC_CALL(second, second);
	return other(value) + 1;
}
