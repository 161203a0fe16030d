// Premise: one variable came and another one went
// Changed: step
// New data: came
// Gone data: went
#include "kernel.h"

#ifdef PATCHED
int came = 2;
#define counter came
#else
int went = 2;
#define counter went
#endif

int step(int value)
{
	counter += value;
	return other(counter);
}
