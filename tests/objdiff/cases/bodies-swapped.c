// Premise: two functions swapped what they do
// Changed: first second
#include "kernel.h"

opaque int first(int value)
{
	return CHANGE(other(value) + 1, another(value) * 2);
}

opaque int second(int value)
{
	return CHANGE(another(value) * 2, other(value) + 1);
}

int run(int value)
{
	return first(value) + second(value);
}
