// Premise: a function changed, and each has nops before it, too
// Machines: x86_64 arm64
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
	return other(value) + CHANGE(2, 3);
}

int third(int value)
{
	return other(value) + 4;
}
