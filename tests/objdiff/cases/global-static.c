// Premise: a function is no longer global, with the same code
// Note: on x86_64 a call of it has a relocation of another type, which does the same
#include "kernel.h"

#ifdef PATCHED
static
#endif
opaque int run(int value)
{
	return other(value) + 1;
}

int run_again(int value)
{
	return run(value) + 2;
}
