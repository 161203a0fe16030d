// Premise: a helper changed that is inlined into two functions, and is no function of the object
// Changed: run run_again
#include "kernel.h"

static __always_inline int helper(int value)
{
	return other(value) * CHANGE(3, 5);
}

int run(int value)
{
	return helper(value) + 1;
}

int run_again(int value)
{
	return helper(value) - 1;
}

int untouched(int value)
{
	return other(value) * 3;
}
