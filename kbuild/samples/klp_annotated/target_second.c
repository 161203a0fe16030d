// SPDX-License-Identifier: GPL-2.0 OR MIT
/* The second file of the module that klp_annotated patches. */
#include <linux/string.h>

#include "target.h"

static char annotated_unit[8] __used = "pears";

size_t annotated_length(void)
{
	return strlen(annotated_unit);
}
