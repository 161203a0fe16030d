// Premise: two files of the same name have a static function of the same name; who calls it tells them apart
// Parts: a/core b/core
// Changed: helper
#include "kernel.h"

#ifdef PART_a
static opaque int helper(int value)
{
	return other(value) * 3;
}

int first(int value)
{
	return helper(value) + 1;
}
#else
static opaque int helper(int value)
{
	return other(value) * CHANGE(3, 4);
}

int second(int value)
{
	return helper(value) + 1;
}
#endif
