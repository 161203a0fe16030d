// SPDX-License-Identifier: GPL-2.0 OR MIT
#include "target.h"

int klp_target_d_second(void);

KEPT int klp_twin(void)
{
	int value = 2;

	/* Else Clang's LTO puts the number where the function is called. */
	OPTIMIZER_HIDE_VAR(value);
	return value;
}

int klp_target_d_second(void)
{
	return klp_twin();
}
