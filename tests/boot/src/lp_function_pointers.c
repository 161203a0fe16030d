// SPDX-License-Identifier: GPL-2.0 OR MIT
/* Functions of vmlinux called through pointers: in data, in constant data, and in a register. */
#include "livepatch.h"

extern int nr_processes(void);
extern int cmdline_proc_show(struct seq_file *m, void *v);
extern int version_proc_show(struct seq_file *m, void *v);

typedef int show_t(struct seq_file *m, void *v);

static int (*lp_count)(void) __used = nr_processes;
static show_t *const lp_shows[] = { version_proc_show, cmdline_proc_show };

static int lp_show(struct seq_file *m, void *v)
{
	show_t *const *shows = lp_shows;
	int (*count)(void) = nr_processes;

	OPTIMIZER_HIDE_VAR(shows);
	OPTIMIZER_HIDE_VAR(count);
	seq_printf(m, "lp_function_pointers: %px %px %px %d\n", READ_ONCE(lp_count), count, shows[1],
		   READ_ONCE(lp_count)() > 0 && count() > 0);
	return shows[0](m, v);
}

LIVEPATCH(NULL, cmdline_proc_show, lp_show);
