// Premise: a label was added to a function's code
#include "kernel.h"

opaque int run(int value)
{
	value = other(value);
	asm volatile(CHANGE("", ".globl inside\ninside:\n") : "+r" (value));
	return another(value) + 1;
}

int run_again(int value)
{
	return run(value) + 3;
}
