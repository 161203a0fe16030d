// Premise: a local array is copied from a constant without a name, of which one word changed
// Note: GCC for x86_64 has the words in code; so has Clang for arm64, which leaves the constant without a user
// Changed: setup
// Changed section[arm64 clang]: .rodata..L__const.setup.table
#include "kernel.h"

int setup(void)
{
	int table[24] = { 3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8, 9, 7, 9, 3, 2, 3, 8, 4, 6, CHANGE(2, 7), 6, 4 };

	use(table);
	return table[3];
}

int settle(void)
{
	int table[24] = { 2, 7, 1, 8, 2, 8, 1, 8, 2, 8, 4, 5, 9, 0, 4, 5, 2, 3, 5, 3, 6, 0, 2, 8 };

	use(table);
	return table[3];
}
