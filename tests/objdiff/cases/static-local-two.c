// Premise: a function has two static variables of the same name, and another function changed
// Changed: change
#include "kernel.h"

int change(int value)
{
	return other(value) + CHANGE(1, 2);
}

int run(int value)
{
	{
		static int count;

		value = other(count += value);
	}
	{
		static int count;

		value = other(count -= value);
	}
	return value;
}
