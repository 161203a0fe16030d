// Premise: a variable of each processor begins with another value
// Changed data: first
// Refused: KLP-E0140 first
#include "kernel.h"

DEFINE_PER_CPU(int, first) = CHANGE(1, 2);
DEFINE_PER_CPU(int, second) = 3;

int sum(int value)
{
	return other(this_cpu_read(first)) + this_cpu_read(second) + value;
}
