// Premise: a variable has two names, and begins with another value
// Changed data: jiffies ticks
// Refused: KLP-E0140 jiffies
// Refused: KLP-E0140 ticks
#include "kernel.h"

u64 jiffies = CHANGE(300, 301);
extern u64 ticks __alias(jiffies);

int step(int value)
{
	return other(ticks) + jiffies + value;
}
