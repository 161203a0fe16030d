// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Keeps copies of the memory of every module that is loaded after this one:
 *
 *   "region MODULE POINT KIND BASE SIZE LENGTH\n" and LENGTH bytes
 *
 * KIND is the index in mod->mem, before Linux 6.4 7 for core_layout and 8 for init_layout, or "percpu"
 * (of processor 0); BASE, SIZE and LENGTH are hexadecimal. What is missing to SIZE is zero. POINT is
 * "coming" (after relocation and ftrace_module_init, before all other notifiers and init), "live"
 * (after init) or what was written to /proc/klp_memory as "POINT MODULE". What is written to
 * /proc/klp_carry is kept as it is.
 *
 * /proc/klp_memory says where all of this is, to be fetched from outside of the machine, which is much
 * quicker than any console: the number of bytes, that of a chunk, and the physical address of each
 * chunk in use. Writing "forget" to it empties the room.
 */
#include <linux/gfp.h>
#include <linux/init.h>
#include <linux/io.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/notifier.h>
#include <linux/percpu.h>
#include <linux/proc_fs.h>
#include <linux/seq_file.h>
#include <linux/string.h>
#include <linux/uaccess.h>
#include <linux/version.h>
#include <linux/vmalloc.h>

/* Physically contiguous, and small enough to be had. */
#define CHUNK (256UL << 10)
#define CHUNKS 96
#define ROOM (CHUNK * CHUNKS)
#define MODULES 64

static DEFINE_MUTEX(lock);
static struct page *chunks[CHUNKS];
static char *room;
static size_t used;
static struct module *loaded[MODULES];

static void keep(const char *name, const char *point, const char *kind, const char *base, size_t size)
{
	size_t length = size;

	while (length && !base[length - 1])
		length--;
	if (used + length + 256 > ROOM) {
		pr_emerg("FAILED klp_memory: no room for %s\n", name);
		return;
	}
	used += scnprintf(room + used, 256, "region %s %s %s %lx %zx %zx\n", name, point, kind,
			  (unsigned long)base, size, length);
	memcpy(room + used, base, length);
	used += length;
}

static void keep_regions(struct module *mod, const char *point, bool init)
{
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 4, 0)
	keep(mod->name, point, "7", mod->core_layout.base, mod->core_layout.size);
	if (init && mod->init_layout.size)
		keep(mod->name, point, "8", mod->init_layout.base, mod->init_layout.size);
#else
	char kind[8];
	int i;

	for (i = 0; i < MOD_MEM_NUM_TYPES; i++) {
		if (!mod->mem[i].size || (i >= MOD_INIT_TEXT && !init))
			continue;
		snprintf(kind, sizeof(kind), "%d", i);
		keep(mod->name, point, kind, mod->mem[i].base, mod->mem[i].size);
	}
#endif
}

static void keep_module(struct module *mod, const char *point, bool init)
{
	keep_regions(mod, point, init);
#ifdef CONFIG_SMP
	if (mod->percpu_size) {
		/* The address that relocations use is that of no processor. */
		size_t before = used;

		keep(mod->name, point, "percpu", per_cpu_ptr(mod->percpu, 0), mod->percpu_size);
		if (used != before)
			used += scnprintf(room + used, 256, "region %s %s percpu-base %lx 0 0\n",
					  mod->name, point, (unsigned long)mod->percpu);
	}
#endif
}

static int notify(struct notifier_block *block, unsigned long state, void *data)
{
	struct module *mod = data;
	int i;

	mutex_lock(&lock);
	if (state == MODULE_STATE_COMING) {
		for (i = 0; i < MODULES && loaded[i]; i++)
			;
		if (i < MODULES)
			loaded[i] = mod;
		keep_module(mod, "coming", true);
	} else if (state == MODULE_STATE_LIVE) {
		keep_module(mod, "live", false);
	} else if (state == MODULE_STATE_GOING) {
		for (i = 0; i < MODULES; i++)
			if (loaded[i] == mod)
				loaded[i] = NULL;
	}
	mutex_unlock(&lock);
	return NOTIFY_DONE;
}

static int show(struct seq_file *m, void *v)
{
	size_t i;

	seq_printf(m, "%zx %lx\n", used, CHUNK);
	for (i = 0; i * CHUNK < used; i++)
		seq_printf(m, "%llx\n", (unsigned long long)page_to_phys(chunks[i]));
	return 0;
}

static int open(struct inode *inode, struct file *file)
{
	return single_open(file, show, NULL);
}

static ssize_t carry(struct file *file, const char __user *from, size_t size, loff_t *at)
{
	ssize_t result = -ENOSPC;

	mutex_lock(&lock);
	if (size <= ROOM - used) {
		result = copy_from_user(room + used, from, size) ? -EFAULT : size;
		if (result > 0)
			used += size;
	}
	mutex_unlock(&lock);
	return result;
}

static ssize_t write(struct file *file, const char __user *from, size_t size, loff_t *at)
{
	char line[128] = {}, *name = line, *point;
	bool found = false;
	int i;

	if (size >= sizeof(line) || copy_from_user(line, from, size))
		return -EINVAL;
	name = strim(line);
	point = strsep(&name, " ");
	if (!strcmp(point, "forget")) {
		mutex_lock(&lock);
		used = 0;
		mutex_unlock(&lock);
		return size;
	}
	if (!name)
		return -EINVAL;
	mutex_lock(&lock);
	for (i = 0; i < MODULES; i++)
		if (loaded[i] && !strcmp(loaded[i]->name, name)) {
			keep_module(loaded[i], point, false);
			found = true;
		}
	mutex_unlock(&lock);
	return found ? size : -ENOENT;
}

static const struct proc_ops operations = {
	.proc_open = open, .proc_read = seq_read, .proc_lseek = seq_lseek,
	.proc_release = single_release, .proc_write = write
};
static const struct proc_ops carrying = { .proc_write = carry };
/* Before jump labels, whose notifier has priority 1. */
static struct notifier_block block = { .notifier_call = notify, .priority = INT_MAX };

static struct page *pages[ROOM / PAGE_SIZE];

/* It stays until the machine ends: there is nothing to free. */
static int __init klp_memory_init(void)
{
	size_t i;

	for (i = 0; i < CHUNKS; i++) {
		chunks[i] = alloc_pages(GFP_KERNEL, get_order(CHUNK));
		if (!chunks[i])
			return -ENOMEM;
	}
	for (i = 0; i < ROOM / PAGE_SIZE; i++)
		pages[i] = chunks[i / (CHUNK / PAGE_SIZE)] + i % (CHUNK / PAGE_SIZE);
	room = vmap(pages, ROOM / PAGE_SIZE, VM_MAP, PAGE_KERNEL);
	if (!room || !proc_create("klp_memory", 0600, NULL, &operations) ||
	    !proc_create("klp_carry", 0200, NULL, &carrying))
		return -ENOMEM;
	return register_module_notifier(&block);
}

module_init(klp_memory_init);
MODULE_DESCRIPTION("keeps the memory of modules as they were loaded");
MODULE_LICENSE("GPL");
