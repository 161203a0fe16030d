// Premise: a function is no longer called with one constant everywhere, and is not specialised
// Compilers: gcc
// Changed: run run_again
// New: helper
// Gone: helper.constprop
#include "kernel.h"

static noinline int helper(int value, int factor)
{
	print("helper\n");
	return other(value) * factor + another(factor);
}

int run(int value)
{
	return helper(value, 3) + 1;
}

int run_again(int value)
{
	return helper(value + 1, CHANGE(3, other(2))) - 1;
}
