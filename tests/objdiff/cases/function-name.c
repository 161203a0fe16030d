// Premise: the name of a function that is inlined changed, and with it a message that says where it is
// Note: GCC has an object of its own for __func__; for Clang it is a string as any other one
// Changed[clang]: run
#include "kernel.h"

static __always_inline int CHANGE(helper, helps)(int value)
{
	print("%s: %d\n", __func__, value);
	return other(value) * 3;
}

int run(int value)
{
	return CHANGE(helper, helps)(value) + 1;
}
