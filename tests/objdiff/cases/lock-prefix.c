// Premise: a function changed of which a table has the lock prefixes, for machines with one processor
// Machines: x86_64
// Changed: add
#include "kernel.h"

#define LOCK									\
	".pushsection .smp_locks, \"a\"\n.balign 4\n.long 671f - .\n.popsection\n671:\n\tlock; "

int add(int *counter)
{
	asm volatile(LOCK "addl $" str(CHANGE(1, 2)) ", %0" : "+m" (*counter));
	return other(1);
}

int subtract(int *counter)
{
	asm volatile(LOCK "subl $1, %0" : "+m" (*counter));
	return other(2);
}
