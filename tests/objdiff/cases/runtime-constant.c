// Premise: a function changed that has a pointer which is written at boot
// Machines: x86_64 s390x arm64
// Changed: lookup
// Refused: KLP-E0144 lookup
#include "kernel.h"

int lookup(int value)
{
	int *table = RUNTIME_POINTER(table);

	return other(table[value]) + CHANGE(1, 2);
}

int lookup_again(int value)
{
	int *table = RUNTIME_POINTER(table);

	return other(table[value]) + 3;
}
