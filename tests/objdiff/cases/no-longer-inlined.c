// Premise: a function grew and is called from two places, where it was inlined before
// Changed: run run_again
// New: helper
#include "kernel.h"

static CHANGE(, noinline) int helper(int value)
{
#ifdef PATCHED
	print("helper\n");
	if (flag)
		return another(value);
#endif
	return other(value) * 3;
}

int run(int value)
{
	return helper(value) + 1;
}

int run_again(int value)
{
	return helper(value) - 1;
}
