// Premise: one string of an array of arrays of characters changed
// Changed: describe
// Changed data: names
#include "kernel.h"

static const char names[][6] = { "red", "green", CHANGE("blue", "cyan"), "white" };

void describe(int color)
{
	print(names[color]);
}

void untouched(void)
{
	print("green");
}
