// Premise: two static functions with the same body swapped their places in the source
// Flags[gcc]: -fno-ipa-icf
#include "kernel.h"

#define HELPER(name)						\
	static noinline int name(int value)			\
	{							\
		return other(value) * 3 + another(value);	\
	}

#ifdef PATCHED
HELPER(second)
HELPER(first)
#else
HELPER(first)
HELPER(second)
#endif

int run(int value)
{
	return first(value) + second(value + 1);
}
