// Premise: the compiler splits a function now, so that its beginning can be inlined
// Compilers: gcc
// Changed: run run_again
// New: helper.part
// Gone: helper
#include "kernel.h"

static int helper(int value)
{
#ifdef PATCHED
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
