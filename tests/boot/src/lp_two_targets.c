// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * vmlinux, module A and module B patched at once: each function uses symbols of the object that it
 * patches, and each module's symbols are in data as well.
 */
#include "patch.h"

extern int nr_processes(void);
extern int klp_target_a_hidden(int x);
extern int klp_target_a_count KLP_RELOC_SYMBOL(klp_target_a, klp_target_a, klp_target_a_count);
extern int klp_target_b_hidden(void);
extern int klp_target_b_value KLP_RELOC_SYMBOL(klp_target_b, klp_target_b, klp_target_b_value);

/*
 * Code may reach each through an address near by (section anchors), so that it is not clear whose they
 * are: they are declared with what they wait for.
 */
static int *lp_value_of_a __used = &klp_target_a_count;
static int *lp_value_of_b __used = &klp_target_b_value;

static int lp_show_vmlinux(struct seq_file *m, void *v)
{
	seq_printf(m, "lp_two_targets: vmlinux %d\n", nr_processes() > 0);
	return 0;
}

static int lp_show_a(struct seq_file *m, void *v)
{
	seq_printf(m, "lp_two_targets: A %d %d %d\n", nr_processes() > 0, klp_target_a_hidden(1),
		   *READ_ONCE(lp_value_of_a));
	return 0;
}

static int lp_show_b(struct seq_file *m, void *v)
{
	seq_printf(m, "lp_two_targets: B %d %d %d\n", nr_processes() > 0, klp_target_b_hidden(),
		   *READ_ONCE(lp_value_of_b));
	return 0;
}

LP_FUNCTIONS(lp_of_vmlinux, cmdline_proc_show, lp_show_vmlinux);
LP_FUNCTIONS(lp_of_a, klp_target_a_show, lp_show_a);
LP_FUNCTIONS(lp_of_b, klp_target_b_show, lp_show_b);

static struct klp_object lp_objects[] = {
	{ .funcs = lp_of_vmlinux },
	{ .name = "klp_target_a", .funcs = lp_of_a },
	{ .name = "klp_target_b", .funcs = lp_of_b },
	{ }
};

LIVEPATCH_OBJECTS(lp_objects);
