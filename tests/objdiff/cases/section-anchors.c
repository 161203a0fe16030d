// Premise: a constant array changed that is reached by its distance from another one's beginning
// Note: the relocation names the first array, and an immediate leads to the second one
// Machines: ppc64le s390x arm64
// Compilers: gcc
// Flags: -fsection-anchors -fno-data-sections
// Without: -fno-section-anchors
// Note: so every function that refers to the section may read it
// Changed: sum untouched
// Changed data: second
#include "kernel.h"

static const int first[] = { 2, 3, 5, 7 };
static const int second[] = { 4, 9, CHANGE(25, 26), 49 };

int sum(int n)
{
	return other(first[n]) + another(second[n]);
}

int untouched(int n)
{
	return other(first[n]);
}
