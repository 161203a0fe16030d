// SPDX-License-Identifier: GPL-2.0 OR MIT
/* lp_late_sections, first file: symbols of module A used from text, a section of its own, and data. */
#include "livepatch.h"

extern int klp_target_a_hidden(int x);
extern int klp_target_a_count;
void lp_second(struct seq_file *m);

struct lp_pointers {
	int (*hidden)(int x);
	int *count;
};

static struct lp_pointers lp_data __used = { klp_target_a_hidden, &klp_target_a_count };
static const struct lp_pointers lp_rodata __used = { klp_target_a_hidden, &klp_target_a_count };
/* Not the start of its object: the addend says so. */
static char *lp_inside __used = (char *)&klp_target_a_count + 2;

static noinline __section(".lp_calls") int lp_call(int x)
{
	return klp_target_a_hidden(x) + klp_target_a_hidden(x + 1) - klp_target_a_count;
}

static int lp_sum(const struct lp_pointers *p)
{
	OPTIMIZER_HIDE_VAR(p);
	return p->hidden(1) - *p->count;
}

static int lp_show(struct seq_file *m, void *v)
{
	seq_printf(m, "lp_late_sections 1: %d %d %d %d %d\n", klp_target_a_hidden(0), lp_call(0),
		   lp_sum(&lp_data), lp_sum(&lp_rodata),
		   READ_ONCE(lp_inside) == (char *)&klp_target_a_count + 2);
	lp_second(m);
	return 0;
}

LIVEPATCH("klp_target_a", klp_target_a_show, lp_show);
