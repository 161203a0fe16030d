// Premise: two functions swapped their messages
// Changed: greet leave
#include "kernel.h"

void greet(void)
{
	print(CHANGE("hello, world\n", "good bye\n"));
}

void leave(void)
{
	print(CHANGE("good bye\n", "hello, world\n"));
}
