// Premise: where a static branch goes changed, in the table only
// Changed: run
#include "kernel.h"

struct static_key first;

static __always_inline int choose(void)
{
	asm goto("1:	nop\n"
		".pushsection __jump_table, \"aw\"\n.balign 8\n"
		".long 1b - ., %l[" str(CHANGE(near, far)) "] - .\n"
		".quad first - .\n"
		".popsection\n" : : : : near, far);
	return 0;
near:
	return 1;
far:
	return 2;
}

int run(int value)
{
	switch (choose()) {
	case 1:
		return another(value);
	case 2:
		return other(value + 7);
	}
	return other(value) + 1;
}
