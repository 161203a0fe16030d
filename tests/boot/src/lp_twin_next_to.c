// SPDX-License-Identifier: GPL-2.0 OR MIT
/* The other one of the two functions, chosen by a static function of its file. */
#include "patch.h"

static int lp_twin(void)
{
	return 7;
}

LP_FUNCTIONS(lp_of_d, klp_twin, lp_twin);
KLP_FUNC_NEXT_TO(klp_target_d, klp_twin, lp_twin, klp_target_d_show);

static struct klp_object lp_objects[] = {
	{ .name = "klp_target_d", .funcs = lp_of_d }, { }
};

LIVEPATCH_OBJECTS(lp_objects);
