// Premise: blank lines were added, and `#line` keeps the numbers of all others
// Flags: -g
#include "kernel.h"

void report(const char *file, int line);

#ifdef PATCHED


#endif
#line 20
int check(int value)
{
	static int count;

#ifdef PATCHED



#endif
#line 40
	if (WARN_ON(value < 0))
		report(__FILE__, __LINE__);
	pr_debug("checking\n");
	printk("checked\n");
	return other(value + ++count);
}
