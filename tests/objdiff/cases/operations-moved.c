// Premise: a function before those of a constant struct grew, and its pointers follow where those are now
// Flags: -fno-function-sections -fno-data-sections
// Changed: before
#include "kernel.h"

struct operations { int (*open)(int), (*close)(int); };

int before(int value)
{
	return CHANGE(other(value), other(value) + another(value + 1) + other(3));
}

static int open_it(int value)
{
	return other(value) + 1;
}

static int close_it(int value)
{
	return other(value) + 2;
}

static const struct operations operations = { open_it, close_it };
struct operations writable = { close_it, open_it };

void attach(void)
{
	use(&operations);
}
