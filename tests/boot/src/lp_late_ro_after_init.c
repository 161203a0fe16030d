// SPDX-License-Identifier: GPL-2.0 OR MIT
/* Pointers to symbols of module A in memory that may be read-only when module A comes. */
#include "livepatch.h"

extern int klp_target_a_hidden(int x);
extern int klp_target_a_count;

static int (*lp_hidden)(int x) __ro_after_init __used = klp_target_a_hidden;
static int *lp_count __ro_after_init __used = &klp_target_a_count;

static int lp_show(struct seq_file *m, void *v)
{
	seq_printf(m, "lp_late_ro_after_init: %d %d\n", READ_ONCE(lp_hidden)(1), *READ_ONCE(lp_count));
	return 0;
}

LIVEPATCH("klp_target_a", klp_target_a_show, lp_show);
