// Premise: a file's name is an argument, and the file has another name
// Note: it is a string that the code reads, as any other one
// Changed: check
#include "kernel.h"

void report(const char *file, int line);

#ifdef PATCHED
#line 15 "moved.h"
#endif
int check(int value)
{
	if (value < 0)
		report(__FILE__, 7);
	return other(value);
}
