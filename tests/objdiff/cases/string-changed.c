// Premise: one letter of a message changed
// Changed: greet
#include "kernel.h"

void greet(void)
{
	print(CHANGE("hello, world\n", "hullo, world\n"));
}

void part(void)
{
	print("good bye\n");
}
