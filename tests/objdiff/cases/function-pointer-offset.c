// Premise: a function before one whose address is taken grew, in the same section
// Flags: -fno-function-sections -fno-data-sections
// Changed: before
#include "kernel.h"

int before(int value)
{
	return CHANGE(other(value), other(value) + another(value + 1) + other(3));
}

static int run(int value)
{
	return other(value) + 1;
}

void attach(void)
{
	use(run);
}
