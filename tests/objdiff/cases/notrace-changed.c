// Premise: a function changed that ftrace cannot replace, while others of the object have a site for it
// Note: Clang for ppc64le makes no sites at all, so nothing distinguishes it there
// Changed: run
// Refused[x86_64 s390x arm64]: KLP-E0142 run
// Refused[ppc64le gcc]: KLP-E0142 run
#include "kernel.h"

notrace int run(int value)
{
	return other(value) + CHANGE(1, 2);
}

notrace int run_again(int value)
{
	return other(value) + 3;
}

int traced(int value)
{
	return other(value) + 4;
}
