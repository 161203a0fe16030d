// Premise: the constant changed that a function was specialised for
// Compilers: gcc
// Changed: helper.constprop
#include "kernel.h"

static noinline int helper(int value, int factor)
{
	print("helper\n");
	return other(value) * factor + another(factor);
}

int run(int value)
{
	return helper(value, CHANGE(3, 5)) + 1;
}

int run_again(int value)
{
	return helper(value + 1, CHANGE(3, 5)) - 1;
}
