// Premise: a function with two names changed
// Note: both names are the function, and who calls either of them gets the change
// Changed: run run_too
#include "kernel.h"

opaque int run(int value)
{
	return other(value) + CHANGE(1, 2);
}
int run_too(int value) __alias(run);

int call(int value)
{
	return run_too(value) - 1;
}
