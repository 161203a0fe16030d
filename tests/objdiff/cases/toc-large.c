// Premise: a function changed, where each function has the TOC's distance before it
// Machines: ppc64le
// Flags: -mcmodel=large
// Changed: run
#include "kernel.h"

static opaque int helper(int value)
{
	print("helper\n");
	return other(value) * 3;
}

int run(int value)
{
	return helper(value) + CHANGE(1, 2);
}

int run_again(int value)
{
	return helper(value) + 3;
}
