// Premise: variables of sections that the kernel writes seldom begin with other values
// Changed data: once seldom
// Refused: KLP-E0140 once
// Refused: KLP-E0140 seldom
#include "kernel.h"

static int once __ro_after_init = CHANGE(1, 2);
int untouched __ro_after_init = 7;
static int seldom __read_mostly = CHANGE(3, 4);

int step(int value)
{
	return other(once) + seldom + untouched + value;
}

void set(int value)
{
	once = value;
	seldom = value;
}
