// Premise: a message that is printed once was added, and the flags of others, with the same name, got other numbers
// Changed: third
// New data[gcc]: __already_done
// New data[clang]: third.__already_done
#include "kernel.h"

int first(int value)
{
	if (value < 0)
		PRINT_ONCE("below zero\n");
	return other(value) + 1;
}

int second(int value)
{
	if (value < 1)
		PRINT_ONCE("below one\n");
	return other(value) + 2;
}

int third(int value)
{
#ifdef PATCHED
	if (value < 2)
		PRINT_ONCE("below two\n");
#endif
	return other(value) + 3;
}
