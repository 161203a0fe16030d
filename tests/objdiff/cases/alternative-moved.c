// Premise: a function with an alternative was added before others
// New: added
#include "kernel.h"

#ifdef PATCHED
int added(int value)
{
	ALTERNATIVE(ALT_OLD, ALT_OTHER, 6);
	return other(value) - 1;
}
#endif

int run(int value)
{
	ALTERNATIVE(ALT_OLD, ALT_NEW, 5);
	return other(value);
}

int run_again(int value)
{
	ALTERNATIVE(ALT_OLD, ALT_OTHER, 5);
	return other(value) + 1;
}
