// SPDX-License-Identifier: GPL-2.0 OR MIT
#include "target.h"

int klp_target_d_second(void);

KEPT int klp_twin(void)
{
	return 2;
}

int klp_target_d_second(void)
{
	return klp_twin();
}
