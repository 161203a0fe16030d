// Premise: functions are aligned to more bytes
// Note: long padding begins with a jump, on x86_64 and ppc64le; no symbol's size has it
// Flags: -fno-function-sections
// Flags[PATCHED]: -falign-functions=128
#include "kernel.h"

static opaque int helper(int value)
{
	return other(value) * 3;
}

int run(int value)
{
	return helper(value) + 1;
}

int run_again(int value)
{
	print("again\n");
	return helper(value) - 1;
}
