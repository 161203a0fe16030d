// Premise: an entry of the TOC is another variable's, the code that loads it is the same
// Machines: ppc64le
// Flags: -mcmodel=large
// Changed: run
#include "kernel.h"

extern int far, further;

int run(int value)
{
	return other(CHANGE(far, further)) + value;
}
