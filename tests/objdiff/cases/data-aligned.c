// Premise: a variable and a constant are aligned to more bytes
// Note: the content is the same, and what runs already has its place
#include "kernel.h"

int counter __aligned(CHANGE(8, 64)) = 1;
static const int numbers[] __aligned(CHANGE(8, 64)) = { 2, 3, 5, 7 };

int step(int n)
{
	counter += n;
	return other(numbers[n]);
}
