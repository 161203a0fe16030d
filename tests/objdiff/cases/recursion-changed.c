// Premise: of two functions that call each other one changed
// Changed: odd
#include "kernel.h"

static int odd(int);

static opaque int even(int value)
{
	return other(value) ? odd(value - 1) + 1 : 3;
}

static opaque int odd(int value)
{
	return another(value) ? even(value - 2) + 1 : CHANGE(4, 5);
}

int depth(int value)
{
	return even(value) + odd(value);
}
