// Premise: a constant struct of functions has another function in one place
// Note: on s390x, and by Clang for ppc64le, such constants are in .data.rel.ro, whose flags say that it can be written
// Changed: attach
// Changed data: operations
#include "kernel.h"

struct operations { int (*open)(int), (*close)(int); };

static int open_it(int value)
{
	return other(value) + 1;
}

static int close_it(int value)
{
	return other(value) + 2;
}

static const struct operations operations = { open_it, CHANGE(close_it, open_it) };
static const struct operations others = { close_it, open_it };

void attach(void)
{
	use(&operations);
}

void attach_others(void)
{
	use(&others);
}
