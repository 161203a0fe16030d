// Premise: symbols without size stand before, in and behind an array of which one element changed
// Note: they are no objects
// Changed data: table
// Refused: KLP-E0140 table
#include "kernel.h"

asm(".pushsection .data, \"aw\"\n"
    ".balign 8\n"
    ".globl table_start\ntable_start:\n"
    ".globl table\n.type table, %object\ntable:\n"
    ".long 1\n"
    "table_middle:\n"
    ".long " str(CHANGE(2, 3)) "\n"
    ".size table, 8\n"
    ".globl table_end\ntable_end:\n"
    ".popsection\n");

extern int table_start[], table_end[];
static struct {} nothing;

int count(int value)
{
	use(&nothing);
	use(table_start);
	return other(table_end - table_start) + value;
}
