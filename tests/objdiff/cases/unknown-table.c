// Premise: a section that nobody knows names a function that changed
// Changed: run
// Refused: KLP-E0143 hooks
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

static const struct hook hook_run __used __section("hooks") = { run, 1 };
static const struct hook hook_run_again __used __section("hooks") = { run_again, 2 };
