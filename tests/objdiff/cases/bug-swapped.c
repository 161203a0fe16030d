// Premise: two functions swapped the flags of their warnings, so the table has the same flags
// Changed: first second
#include "kernel.h"

int first(int value)
{
	CHANGE(WARN_ON, WARN_ON_ONCE)(value > 1);
	return other(value) + 1;
}

int second(int value)
{
	CHANGE(WARN_ON_ONCE, WARN_ON)(value > 2);
	return other(value) + 2;
}
