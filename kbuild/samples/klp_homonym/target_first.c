// SPDX-License-Identifier: GPL-2.0 OR MIT
/* The module that klp_homonym patches, first file. */
#include <linux/module.h>
#include <linux/proc_fs.h>
#include <linux/seq_file.h>

#include "target.h"

static int homonym_of_first = 1;

static noinline __used int homonym_value(void)
{
	return READ_ONCE(homonym_of_first);
}

static noinline __used void homonym_line(struct seq_file *m)
{
	seq_printf(m, "first: %d\n", homonym_value());
}

static int homonym_show(struct seq_file *m, void *v)
{
	homonym_line(m);
	homonym_second(m);
	return 0;
}

static int __init target_init(void)
{
	return proc_create_single("klp_homonym_target", 0444, NULL, homonym_show) ? 0 : -ENOMEM;
}

static void __exit target_exit(void)
{
	remove_proc_entry("klp_homonym_target", NULL);
}

module_init(target_init);
module_exit(target_exit);
MODULE_LICENSE("Dual MIT/GPL");
MODULE_DESCRIPTION("Module that the sample klp_homonym patches");
