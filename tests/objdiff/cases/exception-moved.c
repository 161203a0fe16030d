// Premise: a function with an exception table's entry was added before others
// New: added
#include "kernel.h"

#ifdef PATCHED
int added(const int *p)
{
	return LOAD(p + 3, 1) - 1;
}
#endif

int peek(const int *p)
{
	return LOAD(p, 1) + 1;
}

int probe(const int *p)
{
	TOUCH(p, absent);
	return 0;
absent:
	return another(14);
}
