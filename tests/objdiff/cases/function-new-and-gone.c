// Premise: one function came and another one went
// New: came
// Gone: went
#include "kernel.h"

#ifdef PATCHED
int came(int value)
{
	return other(value) + 1;
}
#else
int went(int value)
{
	return another(value) - 1;
}
#endif

int untouched(int value)
{
	return other(value) + 2;
}
