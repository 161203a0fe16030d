// Premise: a static branch was added, and the key it needs
// Changed: run
// New data: second
#include "kernel.h"

struct static_key first;
#ifdef PATCHED
static struct static_key second;
#endif

int run(int value)
{
#ifdef PATCHED
	if (static_branch_unlikely(&second))
		value = another(value);
#endif
	return other(value) + 1;
}

int run_again(int value)
{
	if (static_branch_unlikely(&first))
		return another(value);
	return other(value) - 1;
}
