// Premise: only the low bit of a key in the table changed, which says what the branch does while the key is enabled
// Changed: run
#include "kernel.h"

struct static_key first;

int run(int value)
{
	if (unlikely(__branch_nop(&first, CHANGE(0, 1))))
		return another(value);
	return other(value) + 1;
}

int run_again(int value)
{
	if (unlikely(__branch_nop(&first, 0)))
		return another(value);
	return other(value) - 1;
}
