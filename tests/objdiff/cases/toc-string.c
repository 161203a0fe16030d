// Premise: a string that is reached through the TOC changed
// Machines: ppc64le
// Flags: -mcmodel=large
// Changed: greet
#include "kernel.h"

void greet(void)
{
	print(CHANGE("hello, world\n", "hullo, world\n"));
}

void leave(void)
{
	print("good bye\n");
}
