// Premise: the split-off part of a function changed, and not what is inlined
// Compilers: gcc
// Changed: helper.part
#include "kernel.h"

static int helper(int value)
{
	if (likely(!flag))
		return 0;
	print("helper\n");
	print("has much\n");
	print(CHANGE("to do\n", "to say\n"));
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
