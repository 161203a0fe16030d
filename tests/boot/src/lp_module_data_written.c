// SPDX-License-Identifier: GPL-2.0 OR MIT
/* A variable of module A, which module A's own function shows too: shown and counted up. */
#include "livepatch.h"

extern int value_of_target KLP_RELOC_SYMBOL(klp_target_a, klp_target_a, klp_root_kobj);

static int lp_show(struct seq_file *m, void *v)
{
	seq_printf(m, "lp_module_data_written: %d\n", value_of_target);
	value_of_target++;
	return 0;
}

LIVEPATCH("klp_target_a", klp_target_a_show, lp_show);
