/* What the kernel's functions need of the kernel around them, in user space. */
#include <elf.h>
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int16_t s16;
typedef int32_t s32;
typedef int64_t s64;
typedef uint32_t __le32;
typedef Elf64_Ehdr Elf_Ehdr;
typedef Elf64_Shdr Elf_Shdr;
typedef Elf64_Sym Elf_Sym;
typedef Elf64_Rela Elf_Rela;
typedef Elf64_Addr Elf_Addr;
typedef Elf64_Word Elf_Word;
#define ELF_R_SYM ELF64_R_SYM
#define ELF_R_TYPE ELF64_R_TYPE

#define CONFIG_64BIT 1
#define __attribute_const__ __attribute__((const))
#undef __always_inline
#define __always_inline inline __attribute__((always_inline))
#define fallthrough __attribute__((fallthrough))
#define KERN_ERR
#define KERN_DEBUG
#define printk(...) fprintf(stderr, __VA_ARGS__)
#define pr_err printk
#define pr_warn printk
#define WARN_ON(condition) (!!(condition))
#define EXPORT_SYMBOL(name)
#define cond_resched() ((void)0)
#define BIT(n) (1UL << (n))
#define ALIGN(x, a) (((x) + (a) - 1) & ~((a) - 1UL))
#define ALIGN_DOWN(x, a) ((x) & ~((a) - 1UL))
#define DIV_ROUND_UP(x, y) (((x) + (y) - 1) / (y))
#define max(x, y) ((x) > (y) ? (x) : (y))
#define IS_ENABLED(option) 0
#define le32_to_cpu(x) (x)
#define cpu_to_le32(x) (x)
#define le32_to_cpup(p) (*(p))
#define array_size(x, y) ((x) * (y))
#define vmalloc malloc
#define vfree free
enum { MODULE_STATE_LIVE, MODULE_STATE_UNFORMED };

typedef void (*swap_r_func_t)(void *, void *, int, const void *);
typedef void (*swap_func_t)(void *, void *, int);
typedef int (*cmp_r_func_t)(const void *, const void *, const void *);
typedef int (*cmp_func_t)(const void *, const void *);
void sort(void *, size_t, size_t, cmp_func_t, swap_func_t);
