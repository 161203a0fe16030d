// Premise: functions call themselves and each other, and a static variable of one of them got another number
// New: added
// New data[gcc]: calls
// New data[clang]: added.calls
#include "kernel.h"

int odd(int);

int depth(int value)
{
	static int calls;

	return other(value) ? depth(value - 1) + ++calls : calls;
}

opaque int even(int value)
{
	return other(value) ? odd(value - 1) : 3;
}

opaque int odd(int value)
{
	return another(value) ? even(value - 2) : 4;
}

#ifdef PATCHED
int added(int value)
{
	static int calls;

	return other(++calls) + value;
}
#endif
