// Premise: a variable was moved to the section of those that are seldom written
// Note: the content is the same, and what runs already has its place
#include "kernel.h"

#ifdef PATCHED
__read_mostly
#endif
int limit = 10;

int step(int value)
{
	return other(limit) + value;
}
