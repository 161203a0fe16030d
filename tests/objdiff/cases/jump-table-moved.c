// Premise: a new function with a jump table comes first; all functions and all tables are in one section each
// Flags: -fno-function-sections -fno-data-sections
// New: first
// New[x86_64 gcc]: first.cold
#include "kernel.h"

#define DISPATCH(name, n)	\
	int name(int kind, int value)	\
	{	\
		switch (kind) {	\
		case 0: return other(value + n);	\
		case 1: return another(value * 3);	\
		case 2: flag = value; return 4;	\
		case 3: return other(value) - another(9);	\
		case 4: use(&flag); return value;	\
		case 5: return another(flag) + 6;	\
		case 6: flag = other(3); return 1;	\
		case 7: return another(value - 1);	\
		case 8: use(NULL); return other(2);	\
		case 9: flag++; return 8;	\
		case 10: return other(value) * 3;	\
		case 11: return another(value) / 7;	\
		case 12: return other(flag) ^ 5;	\
		case 13: flag = -value; return 2;	\
		case 14: return another(flag - 1);	\
		case 15: return other(value * value);	\
		case 16: use(&value); return value + 1;	\
		case 17: return another(11);	\
		case 18: return other(another(value));	\
		case 19: flag--; return 12;	\
		}	\
		return 0;	\
	}

#ifdef PATCHED
DISPATCH(first, 7)
#endif
DISPATCH(second, 8)
DISPATCH(third, 9)
