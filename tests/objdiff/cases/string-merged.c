// Premise: a string that two functions shared is used by one of them now, and the other one's is new
// Changed: second
#include "kernel.h"

int first(int value)
{
	print("overflow\n");
	return other(value);
}

int second(int value)
{
	print(CHANGE("overflow\n", "underflow\n"));
	return another(value);
}
