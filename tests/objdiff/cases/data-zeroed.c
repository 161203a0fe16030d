// Premise: a variable begins with zero and is among those that need no bytes
// Changed data: limit
// Refused: KLP-E0140 limit
#include "kernel.h"

int limit = CHANGE(10, 0);

int step(int value)
{
	return other(limit) + value;
}
