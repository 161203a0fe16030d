// Premise: a function uses another one of the pointers that are written at boot; the code has the same placeholder
// Machines: x86_64 s390x arm64
// Changed: lookup
// Refused: KLP-E0144 lookup
#include "kernel.h"

int lookup(int value)
{
	int *table = CHANGE(RUNTIME_POINTER(first), RUNTIME_POINTER(second));

	return other(table[value]) + 1;
}

int lookup_again(int value)
{
	int *table = RUNTIME_POINTER(second);

	return other(table[value]) + 3;
}
