// Premise: a constant that is freed after boot changed, and with it the function that reads it
// Changed: start
// Changed data: numbers
// Refused: KLP-E0141 start
#include "kernel.h"

static const int numbers[] __initconst = { 2, 3, CHANGE(5, 6) };

int __init start(void)
{
	return other(numbers[other(1)]);
}
