// Premise: a function's type changed, and with it the number before its code
// Note: who calls it through a pointer of the old type traps
// Machines: x86_64 arm64
// Compilers: clang
// Flags: -fsanitize=kcfi
// Changed: run
#include "kernel.h"

int run(CHANGE(int, u32) value)
{
	return other(value) + 1;
}

int run_again(int value)
{
	return other(value) + 2;
}
