// Premise: a function calls through a pointer of another type, which it checks
// Machines: x86_64 arm64
// Compilers: clang
// Flags: -fsanitize=kcfi
// Changed: run
#include "kernel.h"

int run(int (*function)(CHANGE(int, u32)), int value)
{
	return function(value) + 1;
}

int run_again(int (*function)(int), int value)
{
	return function(value) + 2;
}
