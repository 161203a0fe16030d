// Premise: a variable of each processor was added before the others, in the section that they share
// Changed: sum
// New data: added
#include "kernel.h"

#ifdef PATCHED
DEFINE_PER_CPU(int, added);
#endif
DEFINE_PER_CPU(int, first);
static DEFINE_PER_CPU(int, second) = 3;

int sum(int value)
{
#ifdef PATCHED
	value += this_cpu_read(added);
#endif
	return other(this_cpu_read(first)) + value;
}

int difference(int value)
{
	return other(this_cpu_read(second)) - value;
}
