// Premise: a function got a site for ftrace, and has the same code otherwise
// Note: the one that runs has no site, so it cannot be replaced
// Changed[x86_64 s390x arm64]: run
// Changed[ppc64le gcc]: run
// Refused[x86_64 s390x arm64]: KLP-E0142 run
// Refused[ppc64le gcc]: KLP-E0142 run
#include "kernel.h"

#ifndef PATCHED
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
