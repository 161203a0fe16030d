// Premise: functions got landing pads for indirect branches
// Note: a static function that is only called directly gets one from Clang for arm64 only
// Machines: x86_64 arm64
// Flags[PATCHED x86_64]: -fcf-protection=branch
// Flags[PATCHED arm64]: -mbranch-protection=bti
// Changed: run pass
// Changed[arm64 clang]: helper
#include "kernel.h"

static opaque int helper(int value)
{
	return other(value) * 3;
}

int run(int value)
{
	return helper(value) + 1;
}

int pass(int value)
{
	return helper(value) - 1;
}
