// Premise: a constant pointer points to a variable that begins with another value
// Changed data: limit
// Refused: KLP-E0140 limit
#include "kernel.h"

static int limit = CHANGE(10, 20);
static int *const limits[] = { &limit };

int run(int value)
{
	use(limits);
	limit += value;
	return other(limit);
}
