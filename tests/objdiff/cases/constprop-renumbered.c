// Premise: of two clones of a function for two constants one is not needed any more, and the other one got its number
// Compilers: gcc
// Flags: -fipa-cp-clone
// Changed: run_five
// Gone: helper.constprop
#include "kernel.h"

static noinline int helper(int value, int factor)
{
	int sum = 0;

	for (int i = 0; i < value; i++)
		sum += other(i / factor) * another(i % factor) + (sum >> factor);
	return sum;
}

int run(int value)
{
	return helper(value, other(2)) + 1;
}

int run_three(int value)
{
	int sum = 0;

	for (int i = 0; i < 100; i++)
		sum += helper(value + i, 3);
	return sum;
}

int run_five(int value)
{
	int sum = 0;

	for (int i = 0; i < 100; i++)
		sum += helper(value - i, CHANGE(5, other(5)));
	return sum;
}
