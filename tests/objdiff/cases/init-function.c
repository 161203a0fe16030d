// Premise: a function that is freed after boot changed
// Changed: start
// Refused: KLP-E0141 start
#include "kernel.h"

int __init start(void)
{
	return other(CHANGE(1, 2));
}

int __init start_late(void)
{
	return other(3) + 1;
}

int run(int value)
{
	return other(value) + 4;
}
