// Premise: a function with a static variable of the same name was added, so the other one's number changed
// Note: GCC counts from the last function to the first; Clang's names have the function in them
// New: added
// New data[gcc]: count
// New data[clang]: added.count
#include "kernel.h"

int run(int value)
{
	static int count;

	count += value;
	return other(count) + 1;
}

#ifdef PATCHED
int added(int value)
{
	static int count;

	count += value;
	return other(count) - 1;
}
#endif
