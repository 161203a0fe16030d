// Premise: a function changed of which tables have its calls, returns and landing pads, as objtool makes them
// Machines: x86_64
// Changed: run
#include "kernel.h"

#define SITE(table)								\
	asm volatile("1:\n.pushsection " table ", \"a\"\n.long 1b - .\n.popsection\n")

int run(int value)
{
	SITE(".ibt_endbr_seal");
	SITE(".retpoline_sites");
	SITE(".call_sites");
	SITE(".return_sites");
	SITE(".cfi_sites");
	return other(value) + CHANGE(1, 2);
}

int run_again(int value)
{
	SITE(".ibt_endbr_seal");
	SITE(".retpoline_sites");
	SITE(".call_sites");
	SITE(".return_sites");
	SITE(".cfi_sites");
	return other(value) + 3;
}
