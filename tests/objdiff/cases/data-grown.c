// Premise: an array has more elements, all zero, behind those that it had
// Changed data: table
// Refused: KLP-E0140 table
#include "kernel.h"

int table[CHANGE(4, 6)] = { 1, 2, 3, 4 };

int step(int index)
{
	return other(table[index]);
}
