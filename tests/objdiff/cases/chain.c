// Premise: a function reads a struct, which points to an array, which points to the string that changed
// Changed: describe
// Changed data: colors names
#include "kernel.h"

struct set { int count; const char *const *names; };

static const char *const names[] = { "red", "green", CHANGE("blue", "cyan") };
static const struct set colors = { 3, names };

const struct set *describe(int color)
{
	other(color);
	return &colors;
}

int untouched(int value)
{
	return other(value) + 1;
}
