// Premise: a section with a name of its own names a function that changed, and is data that another function reads
// Changed: run
#include "kernel.h"

struct hook { int (*function)(int); u64 kind; };

int run(int value)
{
	return other(value) + CHANGE(1, 2);
}

static const struct hook hooks[] __section("hook_table") = { { run, 1 } };

int run_again(int value)
{
	use(&hooks);
	return other(value) + 3;
}
