// Premise: a file was linked before another one, with static functions and variables of the same names
// Parts: second/second
// Parts[PATCHED]: first/first second/second
// New: first helper
// New data: count
#include "kernel.h"

#ifdef PART_first
static int count;

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
static int count;

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
