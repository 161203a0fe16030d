// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Both homonyms of a name of vmlinux, which differ in priority and in what they call (homonyms, too),
 * and of two names of module A.
 */
#include <linux/notifier.h>
#include "livepatch.h"

extern struct notifier_block first_block
	KLP_RELOC_SYMBOL_POS(vmlinux, vmlinux, trace_module_nb, 1);
extern struct notifier_block second_block
	KLP_RELOC_SYMBOL_POS(vmlinux, vmlinux, trace_module_nb, 2);
extern int first_homonym(void) KLP_RELOC_SYMBOL_POS(klp_target_a, klp_target_a, klp_homonym, 1);
extern int second_homonym(void) KLP_RELOC_SYMBOL_POS(klp_target_a, klp_target_a, klp_homonym, 2);
extern int first_value KLP_RELOC_SYMBOL_POS(klp_target_a, klp_target_a, klp_homonym_value, 1);
extern int second_value KLP_RELOC_SYMBOL_POS(klp_target_a, klp_target_a, klp_homonym_value, 2);

static int lp_show(struct seq_file *m, void *v)
{
	seq_printf(m, "lp_homonym_values: %d %px %d %px %d %d %d %d\n",
		   first_block.priority, first_block.notifier_call,
		   second_block.priority, second_block.notifier_call,
		   first_homonym(), second_homonym(), first_value, second_value);
	return 0;
}

LIVEPATCH("klp_target_a", klp_target_a_show, lp_show);
