// Premise: two structs point to each other, and a number in one of them changed
// Note: what is read through the first one changed, too
// Changed: start
// Changed data: left right
#include "kernel.h"

struct node { int value; const struct node *next; };

static const struct node right;
static const struct node left = { 1, &right };
static const struct node right = { CHANGE(2, 3), &left };

const struct node *start(int value)
{
	other(value);
	return &left;
}

int untouched(int value)
{
	return other(value) + 1;
}
