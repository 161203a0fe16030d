// Premise: a function is no longer weak, with the same code
// Note: on ppc64le a call of a function that may be another file's is followed by a nop, which is code
// Changed[ppc64le]: run_again
#include "kernel.h"

#ifndef PATCHED
__weak
#endif
opaque int run(int value)
{
	return other(value) + 1;
}

int run_again(int value)
{
	return run(value) + 2;
}
