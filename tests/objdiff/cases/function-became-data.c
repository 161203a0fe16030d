// Premise: a function went, and data of its name came
// Gone: level
// New data: level
// Changed: run
#include "kernel.h"

#ifdef PATCHED
int level = 3;
#define LEVEL level
#else
int level(void)
{
	return other(3);
}
#define LEVEL level()
#endif

int run(int value)
{
	return other(value) + LEVEL;
}
