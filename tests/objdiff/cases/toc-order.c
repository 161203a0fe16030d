// Premise: the entries of the TOC are in another order, because a function was added that uses them first
// Machines: ppc64le
// Flags: -mcmodel=large
// New: added
#include "kernel.h"

extern int far, further;
int near = 4;

#ifdef PATCHED
int added(int value)
{
	return other(further) + near + value;
}
#endif

int run(int value)
{
	far = value;
	return other(near) + further;
}

int run_again(int value)
{
	print("again\n");
	return other(further) + value;
}
