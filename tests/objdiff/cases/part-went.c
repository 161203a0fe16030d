// Premise: the compiler no longer splits a function
// Compilers: gcc
// Changed: run run_again
// New: helper
// Gone: helper.part
#include "kernel.h"

static int helper(int value)
{
#ifndef PATCHED
	if (likely(!flag))
		return 0;
#endif
	print("helper\n");
	print("has much\n");
	print("to do\n");
	use(&flag);
	return other(value) * another(value) + other(value + 1) * another(value + 1);
}

int run(int value)
{
	return helper(value) + 1;
}

int run_again(int value)
{
	return helper(value + 2) - 1;
}
