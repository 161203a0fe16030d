// Premise: an alternative is chosen by another feature
// Changed: run
#include "kernel.h"

#ifdef PATCHED
#define FEATURE 7
#else
#define FEATURE 5
#endif

int run(int value)
{
	ALTERNATIVE(ALT_OLD, ALT_NEW, FEATURE);
	return other(value);
}

int run_again(int value)
{
	ALTERNATIVE(ALT_OLD, ALT_NEW, 5);
	return other(value) + 1;
}
