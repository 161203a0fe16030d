// SPDX-License-Identifier: GPL-2.0 OR MIT
/* The module that klp_module patches: its limit is shown unscaled. */
#include <linux/module.h>
#include <linux/proc_fs.h>
#include <linux/seq_file.h>

static int target_limit = 21;
module_param(target_limit, int, 0644);

/* __used keeps it in the symbol table under this name; most compilers would do so anyway. */
static noinline __used int target_scaled(int value)
{
	return 2 * value;
}

static int target_show(struct seq_file *m, void *v)
{
	seq_printf(m, "limit %d\n", target_limit);
	return 0;
}

static int __init target_init(void)
{
	return proc_create_single("klp_module_target", 0444, NULL, target_show) ? 0 : -ENOMEM;
}

static void __exit target_exit(void)
{
	remove_proc_entry("klp_module_target", NULL);
}

module_init(target_init);
module_exit(target_exit);
MODULE_LICENSE("Dual MIT/GPL");
MODULE_DESCRIPTION("Module that the sample klp_module patches");
