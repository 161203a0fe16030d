// Premise: two static variables of the same name swapped their numbers, because their functions were swapped
#include "kernel.h"

#ifdef PATCHED
int second(int value)
{
	static int count;

	count -= value;
	return another(count) + 1;
}
#endif

int first(int value)
{
	static int count;

	count += value;
	return other(count) + 1;
}

#ifndef PATCHED
int second(int value)
{
	static int count;

	count -= value;
	return another(count) + 1;
}
#endif
