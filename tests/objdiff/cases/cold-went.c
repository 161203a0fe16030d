// Premise: a function lost its part for what is seldom done
// Machines: x86_64
// Compilers: gcc
// Changed: run
// Gone: run.cold
#include "kernel.h"

__cold void report(int);

int run(int value)
{
#ifndef PATCHED
	if (other(value) == 7) {
		report(value);
		report(another(value));
		flag = 3;
	}
#endif
	return other(value) + 1;
}
