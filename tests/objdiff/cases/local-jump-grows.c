// Premise: a function that another one in the same section jumps to moved out of the reach of a short jump
// Note: on x86_64 the jump has other bytes, and the same target
// Flags: -fno-function-sections
// Changed: between
// Changed[x86_64]: run
#include "kernel.h"

static __used opaque int target(int value)
{
	return other(value) * 2;
}

int between(int value)
{
#ifdef PATCHED
	value = other(value + 1) + another(value * 7) - flag;
	flag = other(value - 1) + another(value * 9) - flag;
	value = other(value + 2) + another(value * 3) - flag;
	flag = other(value - 2) + another(value * 5) - flag;
#endif
	return other(value) + 1;
}

int run(int value)
{
	return target(value + 3);
}
