// Premise: the text of a warning changed that its table's entry points to (entries of 16 bytes, as in Linux 7.2)
// Note: the text is what is printed, and not where
// Machines: x86_64 ppc64le arm64
// Changed: check
#include "kernel.h"

#undef BUG_ENTRY
#define BUG_ENTRY(format, flags)						\
	asm volatile("1:	" TRAP "\n"					\
		".pushsection __bug_table, \"aw\"\n"				\
		TABLE_ALIGN							\
		ANNOTATE							\
		"2:	.long 1b - ., %c0 - ., %c1 - .\n"			\
		"	.short %c2, %c3\n"					\
		"	.org 2b + 16\n"						\
		".popsection\n"							\
		: : "i" (format), "i" (__FILE__), "i" (__LINE__), "i" (flags))

int check(int value)
{
	if (value < 0)
		BUG_ENTRY(CHANGE("below zero\n", "negative\n"), BUG_WARNING);
	return other(value);
}

int check_again(int value)
{
	if (value > 99)
		BUG_ENTRY("too much\n", BUG_WARNING);
	return other(value) + 1;
}
