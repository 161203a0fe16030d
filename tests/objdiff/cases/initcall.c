// Premise: a function changed that is called while booting, and another one that it registers
// Changed: start run
// Refused: KLP-E0141 start
#include "kernel.h"

int attach(int (*)(int));

static int run(int value)
{
	return other(value) + CHANGE(1, 2);
}

static int __init start(void)
{
	return attach(run) + CHANGE(1, 2);
}
device_initcall(start);
