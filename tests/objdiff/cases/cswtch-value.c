// Premise: a value in the table that a switch became changed, the code and the table's name did not
// Note: GCC calls it CSWTCH.1, and Clang has no symbol for it
// Changed: weight
#include "kernel.h"

int weight(int kind)
{
	switch (kind) {
	case 0: return 11;
	case 1: return 7;
	case 2: return 29;
	case 3: return 3;
	case 4: return CHANGE(41, 43);
	case 5: return 17;
	}
	return -1;
}

int length(int kind)
{
	switch (kind) {
	case 0: return 8;
	case 1: return 64;
	case 2: return 33;
	case 3: return 12;
	case 4: return 5;
	case 5: return 90;
	}
	return 0;
}
