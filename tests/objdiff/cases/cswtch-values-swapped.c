// Premise: two functions swapped their tables, so both tables are there before and after, and the code is the same
// Changed: weight length
#include "kernel.h"

int weight(int kind)
{
	switch (kind) {
	case 0: return CHANGE(11, 8);
	case 1: return CHANGE(7, 64);
	case 2: return CHANGE(29, 33);
	case 3: return CHANGE(3, 12);
	case 4: return CHANGE(41, 5);
	}
	return 0;
}

int length(int kind)
{
	switch (kind) {
	case 0: return CHANGE(8, 11);
	case 1: return CHANGE(64, 7);
	case 2: return CHANGE(33, 29);
	case 3: return CHANGE(12, 3);
	case 4: return CHANGE(5, 41);
	}
	return 0;
}
