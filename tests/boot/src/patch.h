/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/* A livepatch of several objects, or of other members than LIVEPATCH() of livepatch.h gives it. */
#ifndef PATCH_H
#define PATCH_H

#include "livepatch.h"

#define LP_FUNCTIONS(NAME, OLD, NEW)					\
	static struct klp_func NAME[] = {				\
		{ .old_name = #OLD, .new_func = NEW }, { }		\
	}

/* What follows OBJECTS are further members of struct klp_patch. */
#define LIVEPATCH_OBJECTS(OBJECTS, ...)					\
	static struct klp_patch lp_patch = {				\
		.mod = THIS_MODULE, .objs = OBJECTS, __VA_ARGS__	\
	};								\
	static int __init lp_init(void)					\
	{								\
		return klp_enable_patch(&lp_patch);			\
	}								\
	static void __exit lp_exit(void) { }				\
	module_init(lp_init);						\
	module_exit(lp_exit);						\
	MODULE_LICENSE("Dual MIT/GPL");					\
	MODULE_DESCRIPTION("klp-convert boot test");			\
	MODULE_INFO(livepatch, "Y")

#endif /* PATCH_H */
