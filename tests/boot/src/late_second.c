// SPDX-License-Identifier: GPL-2.0 OR MIT
/* lp_late_sections, second file: the same symbols, and homonyms of module A by their files. */
#include <linux/module.h>
#include <linux/seq_file.h>
#include <klp-convert.h>

extern int klp_target_a_hidden(int x);
extern int klp_target_a_count;
extern int klp_homonym(void);
extern int homonym_of_second(void);
void lp_second(struct seq_file *m);

KLP_SYMBOL_IN(klp_target_a, klp_homonym, "target_a_first.c");
KLP_SYMBOL_IN(klp_target_a, homonym_of_second, "target_a_second.c", .name = "klp_homonym");

static int (*lp_homonyms[])(void) __used = { klp_homonym, homonym_of_second };

void lp_second(struct seq_file *m)
{
	seq_printf(m, "lp_late_sections 2: %d %d %d %d\n", klp_target_a_hidden(2), klp_target_a_count,
		   READ_ONCE(lp_homonyms[0])(), READ_ONCE(lp_homonyms[1])());
}
