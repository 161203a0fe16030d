// Premise: a constant array that is reached through the TOC changed
// Machines: ppc64le
// Flags: -mcmodel=large
// Changed: nth
// Changed data: numbers
#include "kernel.h"

static const int numbers[] = { 2, 3, CHANGE(5, 6), 7 };
static const int squares[] = { 4, 9, 25, 49 };

int nth(int n)
{
	return other(numbers[n]);
}

int square(int n)
{
	return other(squares[n]);
}
