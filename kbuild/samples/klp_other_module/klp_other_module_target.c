// SPDX-License-Identifier: GPL-2.0 OR MIT
/* The module that klp_other_module patches: it shows a constant. */
#include <linux/module.h>
#include <linux/proc_fs.h>
#include <linux/seq_file.h>

#include "owner.h"

static int other_target_show(struct seq_file *m, void *v)
{
	seq_puts(m, "0 events\n");
	return 0;
}

static int __init target_init(void)
{
	klp_other_module_event();
	return proc_create_single("klp_other_module_target", 0444, NULL, other_target_show) ? 0 : -ENOMEM;
}

static void __exit target_exit(void)
{
	remove_proc_entry("klp_other_module_target", NULL);
}

module_init(target_init);
module_exit(target_exit);
MODULE_LICENSE("Dual MIT/GPL");
MODULE_DESCRIPTION("Module that the sample klp_other_module patches");
