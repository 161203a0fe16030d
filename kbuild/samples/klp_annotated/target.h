/* SPDX-License-Identifier: GPL-2.0 OR MIT */
#include <linux/types.h>

size_t annotated_length(void);
