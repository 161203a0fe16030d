// Premise: an exported function changed
// Changed: run
#include "kernel.h"

int run(int value)
{
	return other(value) + CHANGE(1, 2);
}
EXPORT_SYMBOL_GPL(run);

int run_again(int value)
{
	return other(value) + 3;
}
EXPORT_SYMBOL_GPL(run_again);
