// Premise: two labels were swapped in a table of labels
// Changed: run
// Changed data[gcc]: labels
// Changed data[clang]: run.labels
#include "kernel.h"

int run(const u8 *program)
{
	static const void *const labels[] = { CHANGE(&&add, &&subtract), CHANGE(&&subtract, &&add), &&stop };
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
