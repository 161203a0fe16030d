// Premise: a function of which a link keeps one copy changed
// Changed: shared
// Refused[x86_64 s390x arm64]: KLP-E0142 shared
// Refused[ppc64le gcc]: KLP-E0142 shared
#include "kernel.h"

#if defined(__x86_64__)
#define BODY "movl $" str(CHANGE(1, 2)) ", %eax\nret\n"
#elif defined(__powerpc64__)
#define BODY "li 3, " str(CHANGE(1, 2)) "\nblr\n"
#elif defined(__s390x__)
#define BODY "lghi %r2, " str(CHANGE(1, 2)) "\nbr %r14\n"
#elif defined(__aarch64__)
#define BODY "mov w0, #" str(CHANGE(1, 2)) "\nret\n"
#endif

asm(".pushsection .text.shared, \"axG\", @progbits, shared, comdat\n"
    ".balign 8\n.weak shared\n.type shared, @function\n"
    "shared:\n" BODY
    ".size shared, . - shared\n"
    ".popsection\n");

int shared(void);

int run(int value)
{
	return other(value) + shared();
}
