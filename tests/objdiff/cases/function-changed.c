// Premise: one of three functions changed
// Changed: second
#include "kernel.h"

opaque int first(int value)
{
	return other(value) + 1;
}

opaque int second(int value)
{
	return other(value) + CHANGE(2, 3);
}

int third(int value)
{
	return first(value) - second(value);
}
