// Premise: a function was added that calls through a pointer; the thunks for it are in groups
// Machines: x86_64 s390x
// Compilers: gcc
// Flags: -mindirect-branch=thunk
// New: added
#include "kernel.h"

#ifdef PATCHED
int added(int (*function)(int), int value)
{
	return function(value) + 1;
}
#endif

int run(int (*function)(int), int value)
{
	return function(value + 2) - 3;
}
