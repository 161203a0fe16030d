// SPDX-License-Identifier: GPL-2.0 OR MIT
/* The module that klp_callbacks patches: it counts reads of its file. */
#include <linux/module.h>
#include <linux/proc_fs.h>
#include <linux/seq_file.h>

struct callbacks_counter {
	int reads;
};

/* In one piece: Clang would replace it by its only field, under another name. */
static struct callbacks_counter callbacks_counter __used;

static int callbacks_show(struct seq_file *m, void *v)
{
	callbacks_counter.reads++;
	seq_printf(m, "%d reads\n", callbacks_counter.reads);
	return 0;
}

static int __init target_init(void)
{
	return proc_create_single("klp_callbacks_target", 0444, NULL, callbacks_show) ? 0 : -ENOMEM;
}

static void __exit target_exit(void)
{
	remove_proc_entry("klp_callbacks_target", NULL);
}

module_init(target_init);
module_exit(target_exit);
MODULE_LICENSE("Dual MIT/GPL");
MODULE_DESCRIPTION("Module that the sample klp_callbacks patches");
