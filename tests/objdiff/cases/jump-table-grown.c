// Premise: a switch has one case more
// Note: GCC's seldom executed part jumps back into the function, which grew
// Changed: dispatch
// Changed[x86_64 gcc]: dispatch.cold
#include "kernel.h"

int dispatch(int kind, int value)
{
	switch (kind) {
	case 0: return other(value + 1);
	case 1: return another(value * 3);
	case 2: flag = value; return 4;
	case 3: return other(value) - another(9);
	case 4: use(&flag); return value;
	case 5: return another(flag) + 6;
	case 6: flag = other(3); return 1;
	case 7: return another(value - 1);
	case 8: use(NULL); return other(2);
	case 9: flag++; return 8;
	case 10: return other(value) * 3;
	case 11: return another(value) / 7;
	case 12: return other(flag) ^ 5;
	case 13: flag = -value; return 2;
	case 14: return another(flag - 1);
	case 15: return other(value * value);
	case 16: use(&value); return value + 1;
	case 17: return another(11);
	case 18: return other(another(value));
	case 19: flag--; return 12;
#ifdef PATCHED
	case 20: return another(flag) + 7;
#endif
	}
	return 0;
}

int untouched(int value)
{
	return other(value) + 1;
}
