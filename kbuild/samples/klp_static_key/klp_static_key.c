// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * A static key of vmlinux that is not exported: the livepatch's branch follows it.
 *
 * This works for keys of vmlinux only: the kernel reads the table of branches before it writes
 * references to a patched module. For a module's key use static_key_enabled(&key).
 *
 * /proc/cmdline shows the command line, and whether the scheduler's clock runs.
 */
#include <linux/jump_label.h>
#include <linux/kernel.h>
#include <linux/livepatch.h>
#include <linux/module.h>
#include <linux/seq_file.h>

extern char *saved_command_line;
extern struct static_key_false sched_clock_running;

static int new_cmdline_show(struct seq_file *m, void *v)
{
	seq_printf(m, "%s (livepatched", saved_command_line);
	if (static_branch_unlikely(&sched_clock_running))
		seq_puts(m, ", the clock runs");
	seq_puts(m, ")\n");
	return 0;
}

static struct klp_func functions[] = {
	{ .old_name = "cmdline_proc_show", .new_func = new_cmdline_show }, { }
};
static struct klp_object objects[] = {
	{ .name = NULL, .funcs = functions }, { }
};
static struct klp_patch patch = { .mod = THIS_MODULE, .objs = objects };

static int __init patch_init(void)
{
	return klp_enable_patch(&patch);
}

static void __exit patch_exit(void) { }

module_init(patch_init);
module_exit(patch_exit);
MODULE_LICENSE("Dual MIT/GPL");
MODULE_DESCRIPTION("Sample livepatch: a static key of vmlinux");
MODULE_INFO(livepatch, "Y");
