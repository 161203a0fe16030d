// Premise: a function changed, whose site for ftrace is made by -mhotpatch
// Machines: s390x
// Compilers: gcc
// Flags: -mhotpatch=0,3
// Without: -pg -mfentry -mnop-mcount -mrecord-mcount
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
