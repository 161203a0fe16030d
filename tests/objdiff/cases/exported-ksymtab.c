// Premise: an exported function changed, exported as kernels before 6.4 do it
// Changed: run
#include "kernel.h"

#define EXPORT(symbol)								\
	asm(".pushsection __ksymtab_strings, \"aMS\", @progbits, 1\n"		\
	    "__kstrtab_" #symbol ": .asciz \"" #symbol "\"\n"			\
	    "__kstrtabns_" #symbol ": .asciz \"\"\n"				\
	    ".popsection\n"							\
	    ".pushsection \"___ksymtab_gpl+" #symbol "\", \"a\"\n.balign 4\n"	\
	    "__ksymtab_" #symbol ": .long " #symbol " - .\n"			\
	    ".long __kstrtab_" #symbol " - .\n"					\
	    ".long __kstrtabns_" #symbol " - .\n"				\
	    ".popsection\n")

int run(int value)
{
	return other(value) + CHANGE(1, 2);
}
EXPORT(run);

int run_again(int value)
{
	return other(value) + 3;
}
EXPORT(run_again);
