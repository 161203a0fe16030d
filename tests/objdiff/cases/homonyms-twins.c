// Premise: two files of the same name have the same static function, to which nothing refers, and one of them changed
// Note: nothing says which of the two that are running is to be replaced
// Parts: a/core b/core
// Refused: KLP-E0146 helper
#include "kernel.h"

static __used opaque int helper(int value)
{
#ifdef PART_a
	return other(value) * 3;
#else
	return other(value) * CHANGE(3, 4);
#endif
}

#ifdef PART_a
int first(int value)
{
	return other(value) + 1;
}
#endif
