// Premise: a function is called with one constant everywhere now, and was specialised for it
// Compilers: gcc
// Changed: run run_again
// New: helper.constprop
// Gone: helper
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
	return helper(value + 1, CHANGE(other(2), 3)) - 1;
}
