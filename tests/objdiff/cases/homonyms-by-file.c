// Premise: two linked files have a static function and a variable of the same names; what one of them has changed
// Parts: first/first second/second
// Changed: helper
// Changed data: count
// Refused: KLP-E0140 count
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
static int count = CHANGE(5, 6);

static opaque int helper(int value)
{
	return other(value) * CHANGE(3, 4) + count;
}

int second(int value)
{
	count = value;
	return helper(value) + 1;
}
#endif
