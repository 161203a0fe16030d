// Premise: two static variables swapped their numbers, and one of them begins with another value
// Changed data[gcc]: count
// Changed data[clang]: second.count
// Refused[gcc]: KLP-E0140 count
// Refused[clang]: KLP-E0140 second.count
#include "kernel.h"

#ifdef PATCHED
int second(int value)
{
	static int count = 3;

	count -= value;
	return another(count) + 1;
}
#endif

int first(int value)
{
	static int count = 1;

	count += value;
	return other(count) + 1;
}

#ifndef PATCHED
int second(int value)
{
	static int count = 2;

	count -= value;
	return another(count) + 1;
}
#endif
