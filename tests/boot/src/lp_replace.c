// SPDX-License-Identifier: GPL-2.0 OR MIT
/* Takes the place of every livepatch that is there, and patches less than they do. */
#include "patch.h"

extern int nr_processes(void);
extern int klp_target_a_count;

static int lp_show(struct seq_file *m, void *v)
{
	seq_printf(m, "lp_replace: %d %d\n", nr_processes() > 0, klp_target_a_count);
	return 0;
}

LP_FUNCTIONS(lp_functions, klp_target_a_show, lp_show);

static struct klp_object lp_objects[] = {
	{ .name = "klp_target_a", .funcs = lp_functions }, { }
};

LIVEPATCH_OBJECTS(lp_objects, .replace = true);
