// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * A function is replaced whose name occurs twice in its object, and one of two homonyms is used.
 *
 * klp-convert finds the functions by their source file, or by what is defined next to them, fills in
 * old_sympos, and does so anew for each kernel. A module's symbol table records source files even without
 * debug information; for vmlinux see klp_homonym_debuginfo.
 *
 * Of /proc/klp_homonym_target the second line is replaced.
 */
#include <linux/kernel.h>
#include <linux/livepatch.h>
#include <linux/module.h>
#include <linux/seq_file.h>

#include <klp-convert.h>

extern int homonym_value(void);
KLP_SYMBOL_NEXT_TO(klp_homonym_target, homonym_value, homonym_of_first);

static void new_homonym_line(struct seq_file *m)
{
	seq_printf(m, "second: livepatched, first has %d\n", homonym_value());
}
KLP_FUNC_IN(klp_homonym_target, homonym_line, new_homonym_line, "target_second.c");

static struct klp_func functions[] = {
	{ .old_name = "homonym_line", .new_func = new_homonym_line }, { }
};
static struct klp_object objects[] = {
	{ .name = "klp_homonym_target", .funcs = functions }, { }
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
MODULE_DESCRIPTION("Sample livepatch: a homonymous function");
MODULE_INFO(livepatch, "Y");
