// Premise: a function changed that another file may define, too
// Changed: run
#include "kernel.h"

__weak int run(int value)
{
	return other(value) + CHANGE(1, 2);
}

int run_again(int value)
{
	return run(value) + 2;
}
