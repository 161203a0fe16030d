// Premise: a function without size changed that is written in assembly, where another one with a size follows
// Changed: leaf
// Refused[x86_64 s390x arm64]: KLP-E0142 leaf
// Refused[ppc64le gcc]: KLP-E0142 leaf
#include "kernel.h"

#if defined(__x86_64__)
#define RETURN(n) "movl $" str(n) ", %eax\nret\n"
#elif defined(__powerpc64__)
#define RETURN(n) "li 3, " str(n) "\nblr\n"
#elif defined(__s390x__)
#define RETURN(n) "lghi %r2, " str(n) "\nbr %r14\n"
#elif defined(__aarch64__)
#define RETURN(n) "mov w0, #" str(n) "\nret\n"
#endif

asm(".pushsection .text, \"ax\"\n"
    ".balign 8\n.globl leaf\n.type leaf, @function\n"
    "leaf:\n" RETURN(CHANGE(1, 2))
    ".balign 8\n.globl stem\n.type stem, @function\n"
    "stem:\n" RETURN(5)
    ".size stem, . - stem\n"
    ".popsection\n");

int leaf(void), stem(void);

int run(int value)
{
	return other(value) + leaf() + stem();
}
