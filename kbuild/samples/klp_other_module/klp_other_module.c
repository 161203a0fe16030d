// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Code that patches one module uses a symbol that another module hides.
 *
 * The kernel writes the reference when the patched module (klp_other_module_target) is loaded; klp-convert
 * finds that out from the tables below. The owner of the symbol (klp_other_module_owner) must be loaded by
 * then, and it is, because the patched module depends on it. Otherwise klp-convert refuses: KLP-E0309.
 *
 * /proc/klp_other_module_target shows what the owner counts.
 */
#include <linux/kernel.h>
#include <linux/livepatch.h>
#include <linux/module.h>
#include <linux/seq_file.h>

extern int owner_counted(void);

static int new_target_show(struct seq_file *m, void *v)
{
	seq_printf(m, "%d events\n", owner_counted());
	return 0;
}

static struct klp_func functions[] = {
	{ .old_name = "other_target_show", .new_func = new_target_show }, { }
};
static struct klp_object objects[] = {
	{ .name = "klp_other_module_target", .funcs = functions }, { }
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
MODULE_DESCRIPTION("Sample livepatch: another module's symbol");
MODULE_INFO(livepatch, "Y");
