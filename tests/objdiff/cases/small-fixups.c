// Premise: a function changed of which tables have the barriers that are written at boot
// Machines: ppc64le
// Changed: run
#include "kernel.h"

#define BARRIER(table, insn)							\
	asm volatile("1:	" insn "\n"					\
		".pushsection " table ", \"a\"\n.balign 8\n"			\
		"2:	.quad 1b - 2b\n.popsection\n" : : : "memory")

int run(int value)
{
	BARRIER("__lwsync_fixup", "lwsync");
	BARRIER("__barrier_nospec_fixup", "nop");
	return other(value) + CHANGE(1, 2);
}

int run_again(int value)
{
	BARRIER("__lwsync_fixup", "lwsync");
	BARRIER("__barrier_nospec_fixup", "nop");
	return other(value) + 3;
}
