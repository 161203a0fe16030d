// Premise: a function no longer counts its calls, and another one's variable of the same name got its number
// Changed: run
// Gone data[gcc]: calls
// Gone data[clang]: run.calls
#include "kernel.h"

int run_again(int value)
{
	static int calls;

	return other(++calls) + value;
}

int run(int value)
{
#ifndef PATCHED
	static int calls;

	if (++calls > 3)
		print("often\n");
#endif
	return other(value) + 1;
}
