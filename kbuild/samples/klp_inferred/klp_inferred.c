// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Symbols of vmlinux that are not exported and occur once: declared and used, nothing more.
 *
 * /proc/cmdline shows the command line, and how many processes there are.
 */
#include <linux/kernel.h>
#include <linux/livepatch.h>
#include <linux/module.h>
#include <linux/seq_file.h>

extern char *saved_command_line;
extern int nr_processes(void);

static int new_cmdline_show(struct seq_file *m, void *v)
{
	seq_printf(m, "%s (livepatched, %d processes)\n", saved_command_line, nr_processes());
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
MODULE_DESCRIPTION("Sample livepatch: unique symbols of vmlinux");
MODULE_INFO(livepatch, "Y");
