// Premise: a constant that could be merged, but for its relocation, points to another variable
// Note: compilers for s390x keep addresses there, which code loads
// Changed: run
// Changed data: pointer
#include "kernel.h"

int first, second;

asm(".pushsection .rodata.cst8, \"aM\", @progbits, 8\n"
    ".balign 8\n"
    ".globl pointer\n"
#ifdef PATCHED
    "pointer: .quad second\n"
#else
    "pointer: .quad first\n"
#endif
    ".popsection\n");
extern int *const pointer;

int run(int value)
{
	return other(value) + *pointer;
}

int run_again(int value)
{
	return another(value) + first + second;
}
