// Premise: only the part of a function changed that is seldom executed; it has no ftrace site, which is no obstacle
// Machines: x86_64
// Compilers: gcc
// Changed: run.cold
#include "kernel.h"

__cold void report(int);

int run(int value)
{
	if (other(value) == 7) {
		report(CHANGE(11, 12));
		report(another(value));
		flag = 3;
	}
	return other(value) + 1;
}
