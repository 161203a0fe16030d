// Premise: two constant arrays swapped their contents, and with them their users
// Changed: get_first get_second
// Changed data: first second
#include "kernel.h"

static const int first[] = { CHANGE(2, 1), CHANGE(3, 4), CHANGE(5, 9) };
static const int second[] = { CHANGE(1, 2), CHANGE(4, 3), CHANGE(9, 5) };

int get_first(int n)
{
	return other(first[n]);
}

int get_second(int n)
{
	return another(second[n]);
}
