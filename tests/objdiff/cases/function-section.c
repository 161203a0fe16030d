// Premise: a function is in another section, with the same code
#include "kernel.h"

#ifdef PATCHED
__section(".text.hot")
#endif
opaque int run(int value)
{
	return other(value) + 1;
}

int run_again(int value)
{
	return run(value) + 2;
}
