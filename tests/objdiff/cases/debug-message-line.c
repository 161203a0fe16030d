// Premise: a message for debugging is in another line
#include "kernel.h"

#ifdef PATCHED
#line 40
#endif
int run(int value)
{
	pr_debug("running\n");
	return other(value) + 1;
}

int run_again(int value)
{
	pr_debug("running again\n");
	return other(value) + 2;
}
