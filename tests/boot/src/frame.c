// SPDX-License-Identifier: GPL-2.0 OR MIT
/* The frame of a module whose relocations are written by hand; nothing of them is run. */
#include <linux/cache.h>
#include <linux/init.h>
#include <linux/module.h>
#include <linux/percpu.h>
#include <linux/printk.h>

/* What the relocations are against, besides each other. */
static long rows_percpu_points_here[2];
DEFINE_PER_CPU(void *, rows_percpu) = &rows_percpu_points_here;
void *rows_ro_after_init[2] __ro_after_init = { &rows_ro_after_init[1], (void *)_printk };
void *rows_data[2] = { (void *)_printk, &rows_data[1] };
void *const rows_rodata[2] = { &rows_data[0], (void *)_printk };
static void *rows_init_data[2] __initdata = { (void *)_printk, &rows_data[1] };
long rows_bss[4];

/* What fits into fields that are narrower than addresses. */
asm(".globl rows_absolute8; .set rows_absolute8, 0x12\n"
    ".globl rows_absolute12; .set rows_absolute12, 0x123\n"
    ".globl rows_absolute16; .set rows_absolute16, 0x1234\n"
    ".globl rows_absolute20; .set rows_absolute20, 0x12345\n"
    ".globl rows_absolute32; .set rows_absolute32, 0x12345678\n"
    ".globl rows_absolute48; .set rows_absolute48, 0x123456789abc\n");

#ifdef CONFIG_ARM64
/* Out of a branch's reach from where modules lie, but not out of ADRP's. */
asm(".globl rows_far; .set rows_far, 0xffff800050001230\n");
#endif

void rows_text(void);
noinline void rows_text(void)
{
	pr_debug("%p\n", rows_data);
}

static int __init rows_init(void)
{
	rows_text();
	rows_bss[0] = (long)rows_init_data[0] + (long)rows_rodata[1] + (long)this_cpu_read(rows_percpu);
	return 0;
}

static void __exit rows_exit(void)
{
	rows_text();
}

module_init(rows_init);
module_exit(rows_exit);
MODULE_DESCRIPTION("relocations of every type");
MODULE_LICENSE("GPL");
