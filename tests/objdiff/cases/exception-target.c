// Premise: where control goes after a fault changed, in the table only
// Changed: probe
#include "kernel.h"

#ifdef PATCHED
#define TARGET "%l2"
#else
#define TARGET "%l1"
#endif

int probe(const int *p)
{
#if defined(__powerpc64__)
	asm goto("1:	" TOUCH_INSN "\n" EX_ENTRY("1b", TARGET, 1)
		: : [from] "b" (p) : "r0", "memory" : absent, broken);
#elif defined(__s390x__)
	asm goto("1:	" TOUCH_INSN "\n" EX_ENTRY("1b", TARGET, 1)
		: : [from] "a" (p) : "cc", "memory" : absent, broken);
#else
	asm goto("1:	" TOUCH_INSN "\n" EX_ENTRY("1b", TARGET, 1)
		: : [from] "r" (p) : "cc", "memory" : absent, broken);
#endif
	return 0;
absent:
	return another(14);
broken:
	return other(5) + 7;
}

int probe_again(const int *p)
{
	TOUCH(p, absent);
	return 0;
absent:
	return another(15);
}
