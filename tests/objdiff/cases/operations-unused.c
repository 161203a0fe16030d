// Premise: a constant struct changed that is global, and that no function of this object reads
// Changed data: operations
#include "kernel.h"

struct operations { int (*open)(int), (*close)(int); };

const struct operations operations = { other, CHANGE(other, another) };

int untouched(int value)
{
	return other(value) + 1;
}
