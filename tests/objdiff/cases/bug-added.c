// Premise: a function has one warning more, and so the entries of those behind it moved
// Changed: second
#include "kernel.h"

int first(int value)
{
	WARN_ON_ONCE(value > 1);
	return other(value) + 1;
}

int second(int value)
{
#ifdef PATCHED
	WARN_ON(value > 5);
#endif
	WARN_ON(value > 2);
	return other(value) + 2;
}

int third(int value)
{
	BUG_ON(value > 3);
	return other(value) + 3;
}
