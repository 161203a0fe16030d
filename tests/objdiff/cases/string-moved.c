// Premise: another message was added before, and all others moved
// New: meet
#include "kernel.h"

#ifdef PATCHED
void meet(void)
{
	print("here we are\n");
}
#endif

void greet(void)
{
	print("hello, world\n");
}

void leave(void)
{
	print("good bye\n");
}
