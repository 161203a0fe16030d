// Premise: a static branch that was likely is unlikely
// Changed: run
#include "kernel.h"

struct static_key first;

int run(int value)
{
	if (CHANGE(static_branch_likely, static_branch_unlikely)(&first))
		return another(value);
	return other(value) + 1;
}

int run_again(int value)
{
	if (static_branch_likely(&first))
		return another(value);
	return other(value) - 1;
}
