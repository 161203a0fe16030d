// Premise: two files of the same name with the same static function and variable were linked in another order
// Note: the variables are told apart by the functions that use them, and those by who calls them
// Parts: a/core b/core
// Parts[PATCHED]: b/core a/core
#include "kernel.h"

static int count;

static opaque int helper(int value)
{
	count += value;
	return other(count) * 3;
}

#ifdef PART_a
int first(int value)
{
	return helper(value) + 1;
}
#else
int second(int value)
{
	return helper(value) + 2;
}
#endif
