// Premise: the other instruction of an alternative calls another function
// Machines: x86_64
// Changed: run
#include "kernel.h"

#ifdef PATCHED
#define CALLEE "another"
#else
#define CALLEE "other"
#endif

int run(int value)
{
	ALTERNATIVE("nop; nop; nop; nop; nop", "call " CALLEE, 5);
	return other(value);
}

int run_again(int value)
{
	ALTERNATIVE("nop; nop; nop; nop; nop", "call other", 5);
	return other(value) + 1;
}
