// Premise: two files of the same name have the same static function, to which nothing refers, and another one changed
// Note: that the two cannot be told apart does not matter
// Parts: a/core b/core
// Changed: first
#include "kernel.h"

static __used opaque int helper(int value)
{
	return other(value) * 3;
}

#ifdef PART_a
int first(int value)
{
	return other(value) + CHANGE(1, 2);
}
#endif
