// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Module D patched by code that calls what module C exports, as a new author writes it: declared, and
 * nothing said of objects, gates or positions but which of two functions is replaced.
 */
#include "patch.h"

extern int klp_target_c_exported(void);
extern int klp_target_c_other(int x);

static int lp_twin(void)
{
	return klp_target_c_other(klp_target_c_exported() - 0xc2) + 1;
}

LP_FUNCTIONS(lp_of_d, klp_twin, lp_twin);
KLP_FUNC_IN(klp_target_d, klp_twin, lp_twin, "target_d_second.c");

static struct klp_object lp_objects[] = {
	{ .name = "klp_target_d", .funcs = lp_of_d }, { }
};

LIVEPATCH_OBJECTS(lp_objects);
