/* SPDX-License-Identifier: GPL-2.0 OR MIT */
struct seq_file;

void homonym_second(struct seq_file *m);
