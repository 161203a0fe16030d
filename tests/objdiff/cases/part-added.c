// Premise: another function is split now, too; its part has number 0, as the first one's has
// Compilers: gcc
// Changed: run_second
// New: second.part
// Gone: second
#include "kernel.h"

static int second(int value)
{
#ifdef PATCHED
	if (likely(flag > 9))
		return 1;
#endif
	print("second\n");
	print("has more\n");
	print("to do\n");
	use(&flag);
	return other(value) * another(value) - other(value + 1) * another(value + 1);
}

static int first(int value)
{
	if (likely(!flag))
		return 0;
	print("first\n");
	print("has much\n");
	print("to do\n");
	use(&flag);
	return other(value) * another(value) + other(value + 1) * another(value + 1);
}

int run_first(int value)
{
	return first(value) + 1 + first(value + 2);
}

int run_second(int value)
{
	return second(value) + 1 + second(value + 2);
}
