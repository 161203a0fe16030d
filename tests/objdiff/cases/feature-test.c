// Premise: a function changed to which code jumps that runs until alternatives are applied
// Note: in a module that code is never reached
// Machines: x86_64
// Changed: run
#include "kernel.h"

extern u8 capabilities[];

static __always_inline bool has_feature(void)
{
	asm goto("1:	.byte 0xe9; .long 6f - (. + 4)\n2:\n"
		".pushsection .altinstructions, \"aM\", @progbits, 14\n"
		".long 1b - ., 4f - .\n.long 0x60\n.byte 2b - 1b, 5f - 4f\n"
		".popsection\n"
		".pushsection .altinstr_replacement, \"ax\"\n"
		"4:	.byte 0xe9; .long %l[no] - (. + 4)\n5:\n"
		".popsection\n"
		".pushsection .altinstr_aux, \"ax\"\n"
		"6:	testb $1, capabilities+3(%%rip)\n"
		"	jnz %l[yes]\n"
		"	jmp %l[no]\n"
		".popsection\n" : : : "cc" : yes, no);
yes:
	return true;
no:
	return false;
}

int run(int value)
{
	if (has_feature())
		return another(value);
	return other(value) + CHANGE(1, 2);
}

int run_again(int value)
{
	if (has_feature())
		return another(value);
	return other(value) + 3;
}
