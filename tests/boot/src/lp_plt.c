// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * s390x: where modules lie within a branch's reach of vmlinux, the loader fills PLT slots, but branches
 * past them. Here the distance to the slot is in data, and the call goes through it.
 */
#include "livepatch.h"

extern int nr_processes(void);
extern long lp_to_slot;

__asm__(".pushsection .data\n"
	"	.balign	8\n"
	"	.globl	lp_to_slot\n"
	"lp_to_slot:\n"
	"	.quad	nr_processes@PLT\n"
	"	.size	lp_to_slot, 8\n"
	"	.type	lp_to_slot, @object\n"
	".popsection\n");

static int lp_show(struct seq_file *m, void *v)
{
	int (*slot)(void) = (void *)((unsigned long)&lp_to_slot + READ_ONCE(lp_to_slot));

	seq_printf(m, "lp_plt: %px %px %d\n", slot, nr_processes, slot() == nr_processes());
	return 0;
}

LIVEPATCH(NULL, cmdline_proc_show, lp_show);
