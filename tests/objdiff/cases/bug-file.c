// Premise: a function that warns is in a file with another name now
#include "kernel.h"

#ifdef PATCHED
#line 9 "moved.h"
#endif
int check(int value)
{
	if (WARN_ON(value < 0))
		return 3;
	return other(value);
}
