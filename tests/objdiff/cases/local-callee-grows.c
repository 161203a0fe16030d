// Premise: a static function in the same section grew; calls to it have no relocation on x86_64 and arm64
// Flags: -fno-function-sections
// Changed: helper
#include "kernel.h"

int before(int);

static opaque int helper(int value)
{
	int result = other(value) * 3;

#ifdef PATCHED
	if (result < 0)
		result = another(-result) + before(7);
#endif
	return result;
}

int run(int value)
{
	return helper(value) + 1;
}

int run_again(int value)
{
	return helper(value) - run(value);
}

int before(int value)
{
	return helper(value + 1) - 8;
}
