// Premise: lines were added above, so the lines in the table changed, and nothing else did
#include "kernel.h"

#ifdef PATCHED
#line 50
#endif
int check(int value)
{
	if (WARN_ON(value < 0))
		return 3;
	BUG_ON(value == 9);
	return other(value);
}

int check_again(int value)
{
	WARN_ON_ONCE(value > 99);
	return other(value) + 1;
}
