// Premise: a function changed behind a global label that stands in its code
// Changed: run
#include "kernel.h"

int run(int value)
{
	value = other(value);
	asm volatile(".globl inside\ninside:\n" : "+r" (value));
	return another(value) + CHANGE(1, 2);
}

int run_again(int value)
{
	return other(value) + 3;
}
