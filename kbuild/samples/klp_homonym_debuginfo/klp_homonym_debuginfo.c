// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Homonyms of vmlinux, chosen by their source files.
 *
 * set_is_seen occurs several times, and its position differs from kernel to kernel. klp-convert looks
 * it up, but a boot image does not record source files: this sample needs the kernel's vmlinux with its
 * symbol table, which a build tree has and distributions ship as debug information.
 *
 * /proc/cmdline shows the command line, and whether this process's namespace has ucount.c's table.
 */
#include <linux/kernel.h>
#include <linux/livepatch.h>
#include <linux/module.h>
#include <linux/sched.h>
#include <linux/seq_file.h>
#include <linux/sysctl.h>
#include <linux/user_namespace.h>

#include <klp-convert.h>

extern char *saved_command_line;
extern int set_is_seen(struct ctl_table_set *set);

KLP_SYMBOL_IN(vmlinux, set_is_seen, "kernel/ucount.c");

static int new_cmdline_show(struct seq_file *m, void *v)
{
	seq_printf(m, "%s (livepatched, %d)\n", saved_command_line,
		   set_is_seen(&current_user_ns()->set));
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
MODULE_DESCRIPTION("Sample livepatch: homonyms of vmlinux");
MODULE_INFO(livepatch, "Y");
