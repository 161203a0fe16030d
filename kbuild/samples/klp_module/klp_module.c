// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * A module's function is replaced, and the new one uses what the module hides.
 *
 * Nothing is annotated: klp-convert finds the symbols in the module, which is built in this folder,
 * and the kernel writes the references whenever that module is loaded, before or after this one.
 *
 * /proc/klp_module_target shows the limit that it should have shown.
 */
#include <linux/kernel.h>
#include <linux/livepatch.h>
#include <linux/module.h>
#include <linux/seq_file.h>

extern int target_limit;
extern int target_scaled(int value);

static int new_target_show(struct seq_file *m, void *v)
{
	seq_printf(m, "limit %d\n", target_scaled(target_limit));
	return 0;
}

static struct klp_func functions[] = {
	{ .old_name = "target_show", .new_func = new_target_show }, { }
};
static struct klp_object objects[] = {
	{ .name = "klp_module_target", .funcs = functions }, { }
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
MODULE_DESCRIPTION("Sample livepatch: a module's function");
MODULE_INFO(livepatch, "Y");
