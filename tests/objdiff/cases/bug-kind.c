// Premise: a warning became a trap that does not return
// Changed: check
#include "kernel.h"

int check(int value)
{
	if (value < 0)
		CHANGE(BUG_ENTRY(BUG_WARNING | BUG_TAINT(9)), BUG());
	return other(value);
}

int check_again(int value)
{
	WARN_ON(value > 99);
	return other(value) + 1;
}
