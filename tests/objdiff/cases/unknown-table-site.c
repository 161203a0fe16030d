// Premise: a section that nobody knows names an instruction of a function that changed, by its distance
// Changed: run
// Refused: KLP-E0143 sites
#include "kernel.h"

#define SITE									\
	asm volatile("1:\n.pushsection sites, \"a\"\n.balign 4\n.long 1b - .\n.popsection\n")

int run(int value)
{
	SITE;
	return other(value) + CHANGE(1, 2);
}

int run_again(int value)
{
	SITE;
	return other(value) + 3;
}
