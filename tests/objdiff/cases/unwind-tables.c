// Premise: what objtool says about the stack changed, for a function that did not, and another function changed
// Machines: x86_64
// Changed: run
#include "kernel.h"

#define STACK(offset)								\
	asm volatile("1:\n"							\
		".pushsection .orc_unwind_ip, \"a\"\n.long 1b - .\n.popsection\n"	\
		".pushsection .orc_unwind, \"a\"\n.short " str(offset) ", 0, 2\n.popsection\n")

int run(int value)
{
	STACK(8);
	return other(value) + CHANGE(1, 2);
}

int run_again(int value)
{
	STACK(CHANGE(8, 16));
	return other(value) + 3;
}
