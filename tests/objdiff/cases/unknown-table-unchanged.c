// Premise: a section that nobody knows names a function that did not change
// Changed: run
#include "kernel.h"

struct hook { int (*function)(int); u64 kind; };

int run(int value)
{
	return other(value) + CHANGE(1, 2);
}

int run_again(int value)
{
	return other(value) + 3;
}

static const struct hook hook_run_again __used __section("hooks") = { run_again, 2 };
