// Premise: a name stands for the first half of a variable, and the second half changed
// Changed data: whole
// Refused: KLP-E0140 whole
#include "kernel.h"

u32 whole[2] = { 1, CHANGE(2, 3) };
extern u32 half;
asm(".globl half\n.type half, %object\n.set half, whole\n.size half, 4\n");

int step(int value)
{
	return other(half) + value;
}

int leap(int value)
{
	return other(whole[1]) + value;
}
