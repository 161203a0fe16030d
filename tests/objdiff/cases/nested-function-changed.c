// Premise: one of two functions of the same name, each inside of another function, changed
// Compilers: gcc
// Changed: visit
#include "kernel.h"

void each(int (*)(int));

void first(void)
{
	int visit(int value) { return other(value) + 1; }

	print("first\n");
	each(visit);
}

void second(void)
{
	int visit(int value) { return other(value) + CHANGE(1, 2); }

	print("second\n");
	each(visit);
}
