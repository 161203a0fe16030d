// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * arm64: takes what is free within a branch's reach of vmlinux, when its parameter is written, until it
 * is unloaded; modules that are loaded meanwhile lie beyond, and reach vmlinux through PLT entries.
 * Patches nothing: a livepatch only because it uses klp relocations itself.
 */
#include <linux/list.h>
#include <linux/module.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

extern struct vm_struct *__get_vm_area_caller(unsigned long size, unsigned long flags,
					      unsigned long start, unsigned long end,
					      const void *caller);
extern char _text[], _end[];

struct taken {
	struct list_head list;
	struct vm_struct *area;
};

static LIST_HEAD(all);
static unsigned long pages;

static int take_all(unsigned long start, unsigned long end)
{
	size_t size = end - start;

	while (size >= PAGE_SIZE) {
		struct taken *taken = kmalloc(sizeof(*taken), GFP_KERNEL);

		if (!taken)
			return -ENOMEM;
		taken->area = __get_vm_area_caller(size, VM_ALLOC, start, end, take_all);
		if (taken->area) {
			list_add(&taken->list, &all);
			pages += size / PAGE_SIZE;
		} else {
			kfree(taken);
			size /= 2;
		}
	}
	return 0;
}

/* Not at init: what init itself lies in is free behind it. */
static int take(const char *value, const struct kernel_param *parameter)
{
	return take_all((unsigned long)_end - SZ_128M, (unsigned long)_text) ?:
	       take_all((unsigned long)_end, (unsigned long)_text + SZ_128M);
}

static int show(char *buffer, const struct kernel_param *parameter)
{
	return sprintf(buffer, "%lu\n", pages);
}

static const struct kernel_param_ops operations = { .set = take, .get = show };
module_param_cb(taken, &operations, NULL, 0600);

static int __init window_init(void)
{
	return 0;
}

static void __exit window_exit(void)
{
	struct taken *taken, *next;

	list_for_each_entry_safe(taken, next, &all, list) {
		free_vm_area(taken->area);
		kfree(taken);
	}
}

module_init(window_init);
module_exit(window_exit);
MODULE_INFO(livepatch, "Y");
MODULE_DESCRIPTION("keeps modules away from vmlinux");
MODULE_LICENSE("GPL");
