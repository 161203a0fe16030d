// Premise: a message for debugging was added before another one, so the other one's descriptor got another number
// Changed: run
#include "kernel.h"

int run(int value)
{
#ifdef PATCHED
	pr_debug("running\n");
#endif
	return other(value) + 1;
}

int run_again(int value)
{
	pr_debug("running again\n");
	return other(value) + 2;
}
