// Premise: a function with nops before it grew, in the same section as others
// Machines: x86_64 arm64
// Flags: -fno-function-sections
// Flags[x86_64]: -fpatchable-function-entry=16,16
// Flags[arm64]: -fpatchable-function-entry=4,2 -falign-functions=8
// Changed: second
#include "kernel.h"

int first(int value)
{
	return other(value) + 1;
}

int second(int value)
{
	return CHANGE(other(value), other(value) + another(value + 1) + other(3)) + 2;
}

int third(int value)
{
	return other(value) + 4;
}
