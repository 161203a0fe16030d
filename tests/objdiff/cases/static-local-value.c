// Premise: a static variable begins with another value
// Changed data[gcc]: calls
// Changed data[clang]: run.calls
// Refused[gcc]: KLP-E0140 calls
// Refused[clang]: KLP-E0140 run.calls
#include "kernel.h"

int run(int value)
{
	static int calls = CHANGE(5, 6);

	return other(++calls) + value;
}
