// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * A symbol whose name occurs twice in its object, annotated with its position.
 *
 * The positions of a module's homonyms are their order in its symbol table: here the order of the files in
 * Kbuild, in each kernel, because the module is built in this folder. A position in vmlinux belongs to one
 * build of a kernel; a selector does not: see klp_homonym and klp_homonym_debuginfo.
 *
 * /proc/klp_annotated_target shows the unit of the second file.
 */
#include <linux/kernel.h>
#include <linux/livepatch.h>
#include <linux/module.h>
#include <linux/seq_file.h>

#include <klp-convert.h>

extern char annotated_unit[];
extern int annotated_count;

KLP_MODULE_RELOC(klp_annotated_target) annotations[] = {
	KLP_SYMPOS(annotated_unit, 2),		/* the one of target_second.c */
	KLP_SYMPOS(annotated_count, 0),		/* occurs once, which is verified */
};

static int new_target_show(struct seq_file *m, void *v)
{
	seq_printf(m, "%d %s\n", annotated_count, annotated_unit);
	return 0;
}

static struct klp_func functions[] = {
	{ .old_name = "annotated_show", .new_func = new_target_show }, { }
};
static struct klp_object objects[] = {
	{ .name = "klp_annotated_target", .funcs = functions }, { }
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
MODULE_DESCRIPTION("Sample livepatch: an annotated homonym");
MODULE_INFO(livepatch, "Y");
