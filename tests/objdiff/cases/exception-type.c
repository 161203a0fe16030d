// Premise: what is done where a load faults changed, in the table only
// Machines: x86_64 s390x arm64
// Changed: peek
#include "kernel.h"

#ifdef PATCHED
#define TYPE 3
#else
#define TYPE 1
#endif

int peek(const int *p)
{
	return LOAD(p, TYPE) + 1;
}

int peek_twice(const int *p)
{
	return LOAD(p, 1) + LOAD(p + 1, 3);
}
