// Premise: a function was added of which a switch became a table, too, and the other one's table got another number
// New: length
#include "kernel.h"

#ifdef PATCHED
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
#endif

int weight(int kind)
{
	switch (kind) {
	case 0: return 11;
	case 1: return 7;
	case 2: return 29;
	case 3: return 3;
	case 4: return 41;
	case 5: return 17;
	}
	return -1;
}
