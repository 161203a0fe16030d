// Premise: a function changed, and one of which a link keeps one copy did not
// Changed: run
#include "kernel.h"

asm(".pushsection .text.shared, \"axG\", @progbits, shared, comdat\n"
    ".balign 8\n.weak shared\n.type shared, @function\n"
    "shared:\n"
#if defined(__x86_64__)
    "ret\n"
#elif defined(__powerpc64__)
    "blr\n"
#elif defined(__s390x__)
    "br %r14\n"
#elif defined(__aarch64__)
    "ret\n"
#endif
    ".size shared, . - shared\n"
    ".popsection\n");

int shared(void);

int run(int value)
{
	return other(value) + shared() + CHANGE(1, 2);
}
