// Premise: two structs point to each other, and another function was added
// New: added
#include "kernel.h"

struct node { int value; const struct node *next; };

static const struct node right;
static const struct node left = { 1, &right };
static const struct node right = { 2, &left };

#ifdef PATCHED
int added(int value)
{
	return other(value) - 1;
}
#endif

const struct node *start(int value)
{
	return other(value) ? &left : &right;
}
