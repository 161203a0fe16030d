// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * A livepatch in the plainest form: /proc/cmdline shows the saved command line and a remark.
 *
 * saved_command_line is not exported and exists once: klp-convert finds it. set_is_seen exists
 * several times, so one is chosen by its source file, whichever position it has in the kernel.
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

static int sample_cmdline_show(struct seq_file *m, void *v)
{
	seq_printf(m, "%s (livepatched, %d)\n", saved_command_line,
		   set_is_seen(&current_user_ns()->set));
	return 0;
}

static struct klp_func sample_functions[] = {
	{ .old_name = "cmdline_proc_show", .new_func = sample_cmdline_show }, { }
};
static struct klp_object sample_objects[] = {
	{ .name = NULL, .funcs = sample_functions }, { }
};
static struct klp_patch sample_patch = { .mod = THIS_MODULE, .objs = sample_objects };

static int __init sample_init(void)
{
	return klp_enable_patch(&sample_patch);
}

static void __exit sample_exit(void) { }

module_init(sample_init);
module_exit(sample_exit);
MODULE_LICENSE("Dual MIT/GPL");
MODULE_DESCRIPTION("Sample livepatch for klp-convert");
MODULE_INFO(livepatch, "Y");
