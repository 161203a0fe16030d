// Premise: a constant array got another name, and has the same content
// Note: Clang has it among constants without names that a linker may merge, with a symbol
// Note: constants are compared by what is in them, so the function that reads it is the same
// New data: primes
// Gone data: numbers
#include "kernel.h"

#ifdef PATCHED
#define numbers primes
#endif

static const int numbers[] = { 2, 3, 5, 7 };

int nth(int n)
{
	return other(numbers[n]);
}
