// Premise: two functions use the same array of numbers through different structs, and one struct changed
// Changed: get_second
// Changed data: second
#include "kernel.h"

struct set { int count; const int *numbers; };

static const int numbers[] = { 2, 3, 5, 7 };
static const struct set first = { 4, numbers }, second = { CHANGE(3, 2), numbers };

const struct set *get_first(int value)
{
	other(value);
	return &first;
}

const struct set *get_second(int value)
{
	another(value);
	return &second;
}
