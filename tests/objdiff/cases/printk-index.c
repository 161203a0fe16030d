// Premise: a message is in another line, which the index of messages says
#include "kernel.h"

#ifdef PATCHED
#line 40
#endif
int run(int value)
{
	printk("running\n");
	return other(value) + 1;
}

int run_again(int value)
{
	printk("running again\n");
	return other(value) + 2;
}
