// Premise: calls of two static functions in the same section were swapped, without relocations on x86_64 and arm64
// Flags: -fno-function-sections
// Changed: run
#include "kernel.h"

static opaque int double_it(int value)
{
	return other(value) * 2;
}

static opaque int halve(int value)
{
	return other(value) / 2;
}

int run(int value)
{
	return CHANGE(double_it, halve)(value) + CHANGE(halve, double_it)(value + 1) * 8;
}

int run_again(int value)
{
	return double_it(value) + halve(value + 1) * 8;
}
