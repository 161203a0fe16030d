// Premise: a function lost its site for ftrace, and has the same code otherwise
// Note: the site is code, so the function changed; the one that runs has a site, by which it can be replaced
// Changed[x86_64 s390x arm64]: run
// Changed[ppc64le gcc]: run
#include "kernel.h"

#ifdef PATCHED
notrace
#endif
int run(int value)
{
	return other(value) + 1;
}

int traced(int value)
{
	return other(value) + 4;
}
