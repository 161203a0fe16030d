// Premise: a function changed whose address another function takes
// Changed: run
#include "kernel.h"

static int run(int value)
{
	return other(value) + CHANGE(1, 2);
}

void attach(void)
{
	use(run);
}
