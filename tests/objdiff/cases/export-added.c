// Premise: a function is exported
// Note: a livepatch exports what it likes
#include "kernel.h"

int run(int value)
{
	return other(value) + 1;
}
#ifdef PATCHED
EXPORT_SYMBOL_GPL(run);
#endif

int run_again(int value)
{
	return other(value) + 3;
}
EXPORT_SYMBOL_GPL(run_again);
