// Premise: a function uses another element of an array
// Changed: step
#include "kernel.h"

int table[8];

int step(int value)
{
	return other(table[CHANGE(2, 3)]) + value;
}

int back(int value)
{
	return other(table[2]) - value;
}
