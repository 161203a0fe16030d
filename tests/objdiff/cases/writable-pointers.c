// Premise: an array of pointers, which can be written, has another one in one place
// Changed data: handlers
// Refused: KLP-E0140 handlers
#include "kernel.h"

static int (*handlers[])(int) = { other, another, CHANGE(other, another) };

int handle(int kind, int value)
{
	return handlers[kind](value) + 1;
}

void set(int kind, int (*handler)(int))
{
	handlers[kind] = handler;
}
