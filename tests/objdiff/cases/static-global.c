// Premise: a variable is no longer static
// Note: position-independent code has the address of a global one from the GOT
// Changed[s390x]: run
#include "kernel.h"

#ifndef PATCHED
static
#endif
int count = 3;

int run(int value)
{
	count += value;
	return other(count) + 2;
}
