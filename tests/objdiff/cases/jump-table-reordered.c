// Premise: two rows of a jump table were swapped, the code was not touched
// Note: on ppc64le the table is behind the code, in the same section; on arm64 it has distances and no relocations
// Changed: run
#include "kernel.h"

#define fallthrough __attribute__((fallthrough))

int run(int from, int value)
{
	switch (from) {
	case 1: other(value + 0); fallthrough;
	case CHANGE(2, 6): another(value + 1); fallthrough;
	case 3: other(value + 2); fallthrough;
	case 4: another(value + 3); fallthrough;
	case 5: other(value + 4); fallthrough;
	case CHANGE(6, 2): another(value + 5); fallthrough;
	case 7: other(value + 6); fallthrough;
	case 8: another(value + 7); fallthrough;
	case 9: other(value + 8); fallthrough;
	case 10: another(value + 9); fallthrough;
	case 11: other(value + 10); fallthrough;
	case 12: another(value + 11); fallthrough;
	case 13: other(value + 12); fallthrough;
	case 14: another(value + 13); fallthrough;
	case 15: other(value + 14); fallthrough;
	case 16: another(value + 15); fallthrough;
	case 17: other(value + 16); fallthrough;
	case 18: another(value + 17); fallthrough;
	case 19: other(value + 18); fallthrough;
	default: flag = value;
	}
	return value;
}

int untouched(int value)
{
	return other(value) + 1;
}
