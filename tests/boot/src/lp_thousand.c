// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * 1024 relocations against 16 symbols in data, each with an addend of its own, and 256 calls. The
 * pointers are compared with what the text says of the same symbols, and added up for the reader.
 */
#include "livepatch.h"

#define EACH(X)								\
	X(nr_processes) X(nr_context_switches) X(nr_iowait) X(cmdline_proc_show)	\
	X(uptime_proc_show) X(version_proc_show) X(loadavg_proc_show) X(meminfo_proc_show) \
	X(saved_command_line) X(max_threads) X(total_forks) X(print_fatal_signals) \
	X(klp_patches) X(klp_mutex) X(sched_feat_keys) X(nr_threads)

/* Under names of their own: headers declare some of them. */
#define DECLARE(name) extern char lp_at_##name[] __asm__(#name);
EACH(DECLARE)
extern int lp_processes(void) __asm__("nr_processes");

#define STEP 4
#define FOUR(name, n)							\
	lp_at_##name + STEP * (n), lp_at_##name + STEP * (n + 1),	\
	lp_at_##name + STEP * (n + 2), lp_at_##name + STEP * (n + 3)
#define SIXTEEN(name, n)						\
	FOUR(name, n), FOUR(name, n + 4), FOUR(name, n + 8), FOUR(name, n + 12)
#define ROW(name)							\
	{ SIXTEEN(name, 0), SIXTEEN(name, 16), SIXTEEN(name, 32), SIXTEEN(name, 48) },

static char *lp_table[][64] __used = { EACH(ROW) };

static int lp_differing(char **row, char *start)
{
	int n, differing = 0;

	for (n = 0; n < 64; n++)
		differing += READ_ONCE(row[n]) != start + STEP * n;
	return differing;
}

#define CALL4 count += lp_processes() > 0; count += lp_processes() > 0;	\
	count += lp_processes() > 0; count += lp_processes() > 0;
#define CALL16 CALL4 CALL4 CALL4 CALL4
#define CALL64 CALL16 CALL16 CALL16 CALL16

static noinline int lp_calls(void)
{
	int count = 0;

	CALL64 CALL64 CALL64 CALL64
	return count;
}

static int lp_show(struct seq_file *m, void *v)
{
	int row = 0, differing = 0, n;
	unsigned long sum = 0;

#define COMPARE(name)							\
	differing += lp_differing(lp_table[row], lp_at_##name);		\
	for (n = 0; n < 64; n++)					\
		sum += (unsigned long)READ_ONCE(lp_table[row][n]);	\
	row++;
	EACH(COMPARE)
	seq_printf(m, "lp_thousand: %d pointers, %d differ, sum %lx, %d calls\n", row * 64, differing,
		   sum, lp_calls());
	return 0;
}

LIVEPATCH(NULL, cmdline_proc_show, lp_show);
