// Premise: a function changed of which tables have the calls and returns that go through thunks
// Machines: s390x
// Compilers: gcc
// Flags: -mindirect-branch=thunk -mfunction-return=thunk -mindirect-branch-table
// Changed: run
#include "kernel.h"

int run(int (*function)(int), int value)
{
	return function(value) + CHANGE(1, 2);
}

int run_again(int (*function)(int), int value)
{
	return function(value + 2) - 3;
}
