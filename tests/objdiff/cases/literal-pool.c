// Premise: a constant changed that a function loads from a pool behind its code
// Machines: arm64
// Changed: run
#include "kernel.h"

int run(int value)
{
	u64 constant;

	asm volatile("ldr %0, =" str(CHANGE(0x123456789abcdef1, 0x123456789abcdef3)) : "=r" (constant));
	return other(value) + constant;
}

int run_again(int value)
{
	u64 constant;

	asm volatile("ldr %0, =0x123456789abcdef1" : "=r" (constant));
	return other(value) - constant;
}
