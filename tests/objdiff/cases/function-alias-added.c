// Premise: a function got a second name
// New: run_too
#include "kernel.h"

int run(int value)
{
	return other(value) + 1;
}
#ifdef PATCHED
int run_too(int value) __alias(run);
#endif
