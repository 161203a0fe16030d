// SPDX-License-Identifier: GPL-2.0 OR MIT
/* The second file of the module that klp_homonym patches: functions of the same names. */
#include <linux/seq_file.h>

#include "target.h"

static int homonym_of_second = 2;

static noinline __used int homonym_value(void)
{
	return READ_ONCE(homonym_of_second);
}

static noinline __used void homonym_line(struct seq_file *m)
{
	seq_printf(m, "second: %d\n", homonym_value());
}

void homonym_second(struct seq_file *m)
{
	homonym_line(m);
}
