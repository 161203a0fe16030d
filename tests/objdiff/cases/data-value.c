// Premise: a global and a static variable begin with other values
// Changed data: limit level
// Refused: KLP-E0140 limit
// Refused: KLP-E0140 level
#include "kernel.h"

int limit = CHANGE(10, 20);
static int level = CHANGE(3, 4), untouched = 5;

int step(int value)
{
	level += value;
	untouched -= value;
	return other(limit);
}
