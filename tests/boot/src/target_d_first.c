// SPDX-License-Identifier: GPL-2.0 OR MIT
/* Module D depends on module C. Both of its files have a function of the same name. */
#include "target.h"

int klp_target_c_exported(void);
int klp_target_d_second(void);

KEPT int klp_twin(void)
{
	int value = 1;

	/* Else Clang's LTO puts the number where the function is called. */
	OPTIMIZER_HIDE_VAR(value);
	return value;
}

KEPT int klp_target_d_show(struct seq_file *m, void *v)
{
	seq_printf(m, "klp_target_d: %d %d %d\n", klp_twin(), klp_target_d_second(),
		   klp_target_c_exported());
	return 0;
}

static int __init klp_target_d_init(void)
{
	return proc_create_single("klp_target_d", 0444, NULL, klp_target_d_show) ? 0 : -ENOMEM;
}

static void __exit klp_target_d_exit(void)
{
	remove_proc_entry("klp_target_d", NULL);
}

module_init(klp_target_d_init);
module_exit(klp_target_d_exit);
MODULE_LICENSE("Dual MIT/GPL");
MODULE_DESCRIPTION("klp-convert boot test, patched module D");
