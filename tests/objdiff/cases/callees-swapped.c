// Premise: two functions are called in another order
// Changed: run
#include "kernel.h"

int run(int value)
{
	CHANGE(other, another)(value);
	CHANGE(another, other)(value);
	return 1;
}

int run_again(int value)
{
	other(value);
	another(value);
	return 1;
}
