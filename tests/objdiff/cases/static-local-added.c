// Premise: a function counts its calls
// Changed: run
// New data[gcc]: calls
// New data[clang]: run.calls
#include "kernel.h"

int run(int value)
{
#ifdef PATCHED
	static int calls;

	if (++calls > 3)
		print("often\n");
#endif
	return other(value) + 1;
}
