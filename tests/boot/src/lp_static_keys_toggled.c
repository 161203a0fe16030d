// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Static branches, likely and unlikely, on keys inside of objects of vmlinux that are toggled from
 * outside: of a tracepoint (events/sched/sched_process_exec) and of the scheduler's second feature.
 */
#include <linux/jump_label.h>
#include <linux/tracepoint-defs.h>
#include "livepatch.h"

extern struct tracepoint lp_tracepoint __asm__("__tracepoint_sched_process_exec");
extern struct static_key lp_features[] __asm__("sched_feat_keys");

#define OFF_KEY(key) ((struct static_key_false *)&(key))
#define ON_KEY(key) ((struct static_key_true *)&(key))

static int lp_show(struct seq_file *m, void *v)
{
	seq_printf(m, "lp_static_keys_toggled: tracepoint %d %d feature %d %d\n",
		   !!static_branch_unlikely(OFF_KEY(lp_tracepoint.key)),
		   !!static_branch_likely(OFF_KEY(lp_tracepoint.key)),
		   !!static_branch_unlikely(ON_KEY(lp_features[1])),
		   !!static_branch_likely(ON_KEY(lp_features[1])));
	return 0;
}

LIVEPATCH(NULL, cmdline_proc_show, lp_show);
