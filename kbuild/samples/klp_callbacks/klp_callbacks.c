// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Callbacks with a shadow variable: a member that the patched module's structure does not have.
 *
 * pre_patch runs before the functions are replaced and attaches the variable to the structure that is
 * there already; post_unpatch runs after the old functions are back and frees it. Both may use the module's
 * hidden symbols like the functions.
 *
 * /proc/klp_callbacks_target shows besides how many of the reads there were since the patch.
 */
#include <linux/kernel.h>
#include <linux/livepatch.h>
#include <linux/module.h>
#include <linux/seq_file.h>
#include <linux/slab.h>

/* As in klp_callbacks_target.c. */
struct callbacks_counter {
	int reads;
};

extern struct callbacks_counter callbacks_counter;

/* Livepatches that share a shadow variable agree on its number. */
#define SHADOW_READS_BEFORE 1

static int set_reads_before(void *counter, void *shadow, void *unused)
{
	*(int *)shadow = ((struct callbacks_counter *)counter)->reads;
	return 0;
}

static int new_callbacks_show(struct seq_file *m, void *v)
{
	int *before = klp_shadow_get(&callbacks_counter, SHADOW_READS_BEFORE);

	callbacks_counter.reads++;
	seq_printf(m, "%d reads", callbacks_counter.reads);
	if (before)
		seq_printf(m, ", %d since the patch", callbacks_counter.reads - *before);
	seq_puts(m, "\n");
	return 0;
}

static int attach(struct klp_object *object)
{
	bool attached = klp_shadow_get_or_alloc(&callbacks_counter, SHADOW_READS_BEFORE, sizeof(int),
						GFP_KERNEL, set_reads_before, NULL);

	return attached ? 0 : -ENOMEM;
}

static void detach(struct klp_object *object)
{
	klp_shadow_free_all(SHADOW_READS_BEFORE, NULL);
}

static struct klp_func functions[] = {
	{ .old_name = "callbacks_show", .new_func = new_callbacks_show }, { }
};
static struct klp_object objects[] = {
	{
		.name = "klp_callbacks_target", .funcs = functions,
		.callbacks = { .pre_patch = attach, .post_unpatch = detach },
	}, { }
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
MODULE_DESCRIPTION("Sample livepatch: callbacks and a shadow variable");
MODULE_INFO(livepatch, "Y");
