// SPDX-License-Identifier: GPL-2.0 OR MIT
/* Static functions of vmlinux that ThinLTO has renamed: once, and as one of several of a name. */
#include "livepatch.h"

extern void show_trace_log_lvl(void);
extern void m_show_first(void) KLP_RELOC_SYMBOL_POS(vmlinux, vmlinux, m_show, 1);
extern void m_show_second(void) KLP_RELOC_SYMBOL_POS(vmlinux, vmlinux, m_show, 2);

static int lp_show(struct seq_file *m, void *v)
{
	seq_printf(m, "lp_promoted: %px %px %px\n", show_trace_log_lvl, m_show_first, m_show_second);
	return 0;
}

LIVEPATCH(NULL, cmdline_proc_show, lp_show);
