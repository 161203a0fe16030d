// Premise: a function with a pointer that is written at boot did not change, and another one did
// Machines: x86_64 s390x arm64
// Changed: run
#include "kernel.h"

int lookup(int value)
{
	int *table = RUNTIME_POINTER(table);

	return other(table[value]) + 1;
}

int run(int value)
{
	return other(value) + CHANGE(1, 2);
}
