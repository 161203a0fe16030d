// Premise: a function is freed after boot now, with the same code
#include "kernel.h"

#ifdef PATCHED
__section(".init.text")
#endif
opaque int run(int value)
{
	return other(value) + 1;
}

int run_again(int value)
{
	return other(value) + 2;
}
