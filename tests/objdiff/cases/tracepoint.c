// Premise: a function with a tracepoint changed, and another one has a tracepoint, too
// Changed: run
#include "kernel.h"

DECLARE_TRACE(begin);
DECLARE_TRACE(end);
DEFINE_TRACE(begin);
DEFINE_TRACE(end);

int run(int value)
{
	trace(begin, value);
	return other(value) + CHANGE(1, 2);
}

int run_again(int value)
{
	trace(end, value);
	return other(value) + 3;
}
