// Premise: a function gets the members of a struct now, and no longer the struct's address
// Compilers: gcc
// Changed: run run_again
// New: helper.isra
// Gone: helper
#include "kernel.h"

struct pair { int first, second; };

static noinline int helper(const struct pair *pair, int value)
{
#ifndef PATCHED
	use(pair);
#endif
	return other(pair->first) * value + another(value);
}

int run(const struct pair *pair)
{
	return helper(pair, 3 + other(1)) + 1;
}

int run_again(const struct pair *pair)
{
	return helper(pair, 4 + other(2)) - 1;
}
