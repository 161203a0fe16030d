// Premise: the other instruction of an alternative changed, which is not where the code is
// Changed: run
#include "kernel.h"

int run(int value)
{
	ALTERNATIVE(ALT_OLD, CHANGE(ALT_NEW, ALT_OTHER), 5);
	return other(value);
}

int run_again(int value)
{
	ALTERNATIVE(ALT_OLD, ALT_NEW, 5);
	return other(value) + 1;
}
