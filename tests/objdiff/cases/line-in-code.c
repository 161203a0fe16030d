// Premise: a line number is an argument, and lines were added above
// Note: how far it moved is not looked at
// Changed: check
#include "kernel.h"

void report(const char *file, int line);

#ifdef PATCHED
#line 50
#endif
int check(int value)
{
	if (value < 0)
		report(__FILE__, __LINE__);
	return other(value);
}

int check_again(int value)
{
	return other(value) + 1;
}
