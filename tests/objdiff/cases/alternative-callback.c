// Premise: another function writes the instructions of an alternative
// Machines: arm64
// Note: there is no other instruction in the object, so the entry's length for it is 0
// Changed: run
#include "kernel.h"

#define ALTERNATIVE_CB(callback)					\
	asm volatile("1:	nop\n2:\n"				\
		".pushsection .altinstructions, \"a\"\n"		\
		".long 1b - ., " callback " - .\n"			\
		".short 0x8005\n"					\
		".byte 2b - 1b, 0\n"					\
		".popsection\n" : : : "memory")

#ifdef PATCHED
#define CALLBACK "another"
#else
#define CALLBACK "other"
#endif

int run(int value)
{
	ALTERNATIVE_CB(CALLBACK);
	return other(value);
}

int run_again(int value)
{
	ALTERNATIVE_CB("other");
	return other(value) + 1;
}
