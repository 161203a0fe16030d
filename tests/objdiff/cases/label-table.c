// Premise: a table of labels follows its function, which moved in its section
// Flags: -fno-function-sections -fno-data-sections
// Changed: before
#include "kernel.h"

int before(int value)
{
	return CHANGE(other(value), other(value) + another(value + 1) + other(3));
}

int run(const u8 *program)
{
	static const void *const labels[] = { &&add, &&subtract, &&stop };
	int value = 0;

	goto *labels[*program++];
add:
	value = other(value);
	goto *labels[*program++];
subtract:
	value = another(value);
	goto *labels[*program++];
stop:
	return value;
}
