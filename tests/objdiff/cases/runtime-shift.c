// Premise: a function changed in which the distance of a shift is written at boot
// Machines: x86_64 s390x arm64
// Changed: hash
// Refused: KLP-E0144 hash
#include "kernel.h"

int hash(int value)
{
	return other(RUNTIME_SHIFT(value * 7, bits)) + CHANGE(1, 2);
}
