// Premise: a function changed in an object that has no sites for ftrace at all
// Without[x86_64]: -pg -mfentry -mrecord-mcount
// Without[ppc64le]: -pg -mprofile-kernel
// Without[s390x]: -pg -mfentry -mnop-mcount -mrecord-mcount
// Without[arm64]: -fpatchable-function-entry=2
// Changed: run
#include "kernel.h"

int run(int value)
{
	return other(value) + CHANGE(1, 2);
}

int run_again(int value)
{
	return other(value) + 3;
}
