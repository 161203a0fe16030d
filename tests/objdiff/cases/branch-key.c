// Premise: a static branch depends on another key, in the table only
// Changed: run
#include "kernel.h"

struct static_key first, second;

int run(int value)
{
	if (static_branch_unlikely(&CHANGE(first, second)))
		return another(value);
	return other(value) + 1;
}

int run_again(int value)
{
	if (static_branch_unlikely(&first))
		return another(value);
	return other(value) - 1;
}
