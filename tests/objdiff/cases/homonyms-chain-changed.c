// Premise: two files as in homonyms-chain, and the second one's variable begins with another value
// Parts: a/core b/core
// Parts[PATCHED]: b/core a/core
// Changed data: count
// Refused: KLP-E0140 count
#include "kernel.h"

#ifdef PART_a
static int count = 1;
#else
static int count = CHANGE(1, 2);
#endif

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
