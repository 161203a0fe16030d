// Premise: a function changed in which no probe may be set
// Changed: run
#include "kernel.h"

int run(int value)
{
	return other(value) + CHANGE(1, 2);
}
NOKPROBE_SYMBOL(run);

int run_again(int value)
{
	return other(value) + 3;
}
NOKPROBE_SYMBOL(run_again);
