// Premise: a function changed that is known by its place in a constant struct only
// Changed: close_it
#include "kernel.h"

struct operations { int (*open)(int), (*close)(int); };

static int open_it(int value)
{
	return other(value) + 1;
}

static int close_it(int value)
{
	return other(value) + CHANGE(2, 3);
}

static const struct operations operations = { open_it, close_it };

void attach(void)
{
	use(&operations);
}
