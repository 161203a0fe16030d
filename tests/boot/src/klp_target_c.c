// SPDX-License-Identifier: GPL-2.0 OR MIT
/* Module C: exports what module D and code that patches it use. */
#include "target.h"

int klp_target_c_exported(void);
int klp_target_c_other(int x);

int klp_target_c_exported(void)
{
	return 0xc2;
}
EXPORT_SYMBOL_GPL(klp_target_c_exported);

int klp_target_c_other(int x)
{
	return x + 0xc3;
}
EXPORT_SYMBOL_GPL(klp_target_c_other);

MODULE_LICENSE("Dual MIT/GPL");
MODULE_DESCRIPTION("klp-convert boot test, module C");
