// Premise: a message was added; Clang loads all of them from one pool, by their places in it
// Note: another place is another immediate in the code; with the flag that build has by default it is not
// Machines: ppc64le
// Compilers: clang
// Without: -mllvm=-ppc-merge-string-pool=false
// Changed: greet leave
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
