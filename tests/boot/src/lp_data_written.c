// SPDX-License-Identifier: GPL-2.0 OR MIT
/* A variable of vmlinux, that is /proc/sys/kernel/print-fatal-signals: shown and counted up. */
#include "livepatch.h"

extern int print_fatal_signals;

static int lp_show(struct seq_file *m, void *v)
{
	seq_printf(m, "lp_data_written: %d\n", print_fatal_signals);
	print_fatal_signals++;
	return 0;
}

LIVEPATCH(NULL, cmdline_proc_show, lp_show);
