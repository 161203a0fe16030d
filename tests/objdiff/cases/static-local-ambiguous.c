// Premise: of two static variables of the same name in one function one was removed, and nothing says which one stays
// Note: both begin with zero and are used alike; the patched function would get the state of the one or the other
// Changed: run
// Gone data[gcc]: count
// Gone data[clang]: run.count
// Refused[gcc]: KLP-E0146 count
// Refused[clang]: KLP-E0146 run.count
#include "kernel.h"

int run(int value)
{
#ifndef PATCHED
	{
		static int count;

		value = other(count += value);
	}
#endif
	{
		static int count;

		value = other(count += value);
	}
	return value;
}
