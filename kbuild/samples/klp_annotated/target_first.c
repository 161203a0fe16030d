// SPDX-License-Identifier: GPL-2.0 OR MIT
/* The module that klp_annotated patches: it shows the wrong unit. */
#include <linux/module.h>
#include <linux/proc_fs.h>
#include <linux/seq_file.h>

#include "target.h"

static char annotated_unit[8] __used = "apples";
static int annotated_count __used = 3;

static int annotated_show(struct seq_file *m, void *v)
{
	seq_printf(m, "%d %s, %zu\n", annotated_count, annotated_unit, annotated_length());
	return 0;
}

static int __init target_init(void)
{
	return proc_create_single("klp_annotated_target", 0444, NULL, annotated_show) ? 0 : -ENOMEM;
}

static void __exit target_exit(void)
{
	remove_proc_entry("klp_annotated_target", NULL);
}

module_init(target_init);
module_exit(target_exit);
MODULE_LICENSE("Dual MIT/GPL");
MODULE_DESCRIPTION("Module that the sample klp_annotated patches");
