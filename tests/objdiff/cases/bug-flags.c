// Premise: a warning is given once only, which stands in the table's flags and not in the code
// Changed: check
#include "kernel.h"

int check(int value)
{
	if (CHANGE(WARN_ON, WARN_ON_ONCE)(value < 0))
		return 3;
	return other(value);
}

int check_again(int value)
{
	WARN_ON(value > 99);
	return other(value) + 1;
}
