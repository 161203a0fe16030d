// Premise: two files that have static functions and variables of the same names were linked in another order
// Parts: first/first second/second
// Parts[PATCHED]: second/second first/first
#include "kernel.h"

#ifdef PART_first
static int count = 5;

static opaque int helper(int value)
{
	return other(value) * 3 + count;
}

int first(int value)
{
	count = value;
	return helper(value) + 1;
}
#else
static int count = 6;

static opaque int helper(int value)
{
	return other(value) * 4 + count;
}

int second(int value)
{
	count = value;
	return helper(value) + 1;
}
#endif
