// Premise: two functions with functions inside of the same name were swapped, and so were the numbers of those
// Compilers: gcc
#include "kernel.h"

void each(int (*)(int));

#define FIRST								\
	void first(void)						\
	{								\
		int visit(int value) { return other(value) + 1; }	\
									\
		print("first\n");					\
		each(visit);						\
	}
#define SECOND								\
	void second(void)						\
	{								\
		int visit(int value) { return another(value) + 2; }	\
									\
		print("second\n");					\
		each(visit);						\
	}

#ifdef PATCHED
SECOND
FIRST
#else
FIRST
SECOND
#endif
