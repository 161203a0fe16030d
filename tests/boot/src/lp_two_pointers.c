// SPDX-License-Identifier: GPL-2.0 OR MIT
/* Pointers in data that nobody follows: it does no harm when they are not written. */
#include "livepatch.h"

extern int nr_processes(void);
extern int klp_target_a_hidden(int x);

static int (*lp_into_vmlinux)(void) __used = nr_processes;
static int (*lp_into_target)(int x) __used = klp_target_a_hidden;

static int lp_show(struct seq_file *m, void *v)
{
	seq_printf(m, "lp_two_pointers: %px %px\n", READ_ONCE(lp_into_vmlinux),
		   READ_ONCE(lp_into_target));
	return 0;
}

LIVEPATCH("klp_target_a", klp_target_a_show, lp_show);
