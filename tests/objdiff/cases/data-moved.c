// Premise: a variable was added before all others, in one section
// Flags: -fno-data-sections
// Changed: step
// New data: added
#include "kernel.h"

#ifdef PATCHED
static int added = 4;
#endif
static int first = 1, second = 2;
static int third;

int step(int value)
{
	first += value;
#ifdef PATCHED
	added += value;
#endif
	return other(first);
}

int back(int value)
{
	second -= value;
	return other(second);
}

int stay(int value)
{
	third ^= value;
	return other(third);
}
