// Premise: a function that was called is inlined now
// Changed: run
// Gone: helper
#include "kernel.h"

static CHANGE(noinline, __always_inline) int helper(int value)
{
	print("helper\n");
	return other(value) * 3;
}

int run(int value)
{
	return helper(value) + 1;
}

int untouched(int value)
{
	return other(value) + 1;
}
