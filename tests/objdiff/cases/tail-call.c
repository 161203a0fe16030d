// Premise: a jump to a function became a call, because something is done behind it
// Changed: run
#include "kernel.h"

int run(int value)
{
	return CHANGE(other(value), other(value) + 1);
}

int run_again(int value)
{
	return other(value);
}
