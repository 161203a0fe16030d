// Premise: a function got a part for what is seldom done
// Note: GCC has such parts on x86_64 only, Clang has none
// Machines: x86_64
// Compilers: gcc
// Changed: run
// New: run.cold
#include "kernel.h"

__cold void report(int);

int run(int value)
{
#ifdef PATCHED
	if (other(value) == 7) {
		report(value);
		report(another(value));
		flag = 3;
	}
#endif
	return other(value) + 1;
}
