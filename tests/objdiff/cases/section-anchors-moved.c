// Premise: a variable was added before those that are reached by their distances from a place
// Note: other distances are other immediates; on ppc64le each variable has relocations of its own all the same
// Machines: ppc64le s390x arm64
// Compilers: gcc
// Flags: -fsection-anchors -fno-data-sections
// Without: -fno-section-anchors
// Changed[s390x arm64]: sum
// New: use_added
// New data: added
#include "kernel.h"

#ifdef PATCHED
static int added = 3;

int use_added(int n)
{
	added ^= n;
	return other(added) + 1;
}
#endif

static int first = 1, second = 2;

int sum(int n)
{
	first += n;
	second -= n;
	return other(first) + another(second);
}
