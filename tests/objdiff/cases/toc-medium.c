// Premise: variables are reached by their distances from the TOC, and one was added before them
// Machines: ppc64le
// Flags: -fno-data-sections
// Changed: run
// New data: added
#include "kernel.h"

extern int far;
#ifdef PATCHED
static int added = 4;
#endif
static int near = 5;

int run(int value)
{
#ifdef PATCHED
	added += value;
	value = other(added);
#endif
	near += value;
	return other(near);
}

int run_again(int value)
{
	near -= value;
	return other(near) + far;
}
