// Premise: a variable that is freed after boot begins with another value
// Changed data: wanted
// Refused: KLP-E0140 wanted
#include "kernel.h"

static int wanted __initdata = CHANGE(1, 2);

int __init start(void)
{
	wanted = other(wanted);
	return another(wanted);
}
