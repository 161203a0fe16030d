// Premise: a function is no longer freed after boot, and changed
// Note: the one that ran is gone, and nothing is left to replace
// Changed: start
// Refused: KLP-E0141 start
#include "kernel.h"

#ifndef PATCHED
__init
#endif
int start(void)
{
	return other(CHANGE(1, 2));
}

int run(int value)
{
	return other(value) + 4;
}
