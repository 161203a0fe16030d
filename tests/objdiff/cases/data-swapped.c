// Premise: a function uses another variable, which is like the first one
// Changed: step
#include "kernel.h"

int first, second;

int step(int value)
{
	return other(CHANGE(first, second)) + value;
}

void reset(void)
{
	first = 0;
	second = 0;
}
