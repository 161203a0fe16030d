/* What arch/powerpc/kernel/module_64.c needs of the kernel around it, in user space. */
#include <elf.h>
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define __KERNEL__ 1
#define __powerpc64__ 1
#define KBUILD_MODNAME "module_64"
#define CONFIG_PPC64_ELF_ABI_V2 1
#define CONFIG_SMP 1
#define CONFIG_64BIT 1
#define __aligned(n) __attribute__((aligned(n)))
#define __attribute_const__ __attribute__((const))
#undef __always_inline
#define __always_inline inline __attribute__((always_inline))

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef Elf64_Ehdr Elf_Ehdr;
typedef Elf64_Shdr Elf_Shdr;

#define R_PPC_REL24 10
#define R_PPC64_REL24_NOTOC 116
#define R_PPC64_ENTRY 118
#define R_PPC64_PCREL34 132
#define R_PPC64_GOT_PCREL34 133
#define SHN_LIVEPATCH 0xff20

/* A macro that is defined as 1 puts a second argument in front. */
#define FRONT_1 ~, 1,
#define SECOND(first, second, ...) second
#define PICK(...) SECOND(__VA_ARGS__)
#define JOIN(option) PICK(FRONT_##option 0, 0)
#define EXPAND(option) JOIN(option)
#define IS_ENABLED(option) EXPAND(option)

#define WARN_ON(condition) (!!(condition))
#define WARN_ON_ONCE(condition) (!!(condition))
#define BUILD_BUG_ON(condition) ((void)0)
#define ARRAY_SIZE(array) (sizeof(array) / sizeof *(array))
#define EXPORT_SYMBOL(name)
#define cond_resched() ((void)0)
#define roundup(x, y) ((((x) + (y) - 1) / (y)) * (y))
#define pr_debug(...) ((void)0)
#define pr_err(format, ...) say(pr_fmt(format), ##__VA_ARGS__)
extern char said[4096];
#define say(...) snprintf(said + strlen(said), sizeof said - strlen(said), __VA_ARGS__)

typedef void (*swap_r_func_t)(void *, void *, int, const void *);
typedef void (*swap_func_t)(void *, void *, int);
typedef int (*cmp_r_func_t)(const void *, const void *, const void *);
typedef int (*cmp_func_t)(const void *, const void *);
void sort(void *, size_t, size_t, cmp_func_t, swap_func_t);

/* Instructions. */
#define R2_STACK_OFFSET 24
#define PPC_INST_LD_TOC PPC_RAW_LD(_R2, _R1, R2_STACK_OFFSET)
#define _R1 1
#define _R2 2
#define _R11 11
#define _R12 12
#define _R13 13
typedef struct { u32 first, second; bool prefixed; } ppc_inst_t;
#define ppc_inst(word) ((ppc_inst_t){ (word), 0, false })
#define ppc_inst_prefix(word, suffix) ((ppc_inst_t){ (word), (suffix), true })
static inline int patch_instruction(u32 *place, ppc_inst_t instruction)
{
	place[0] = instruction.first;
	if (instruction.prefixed)
		place[1] = instruction.second;
	return 0;
}
static inline int patch_u32(void *place, u32 value)
{
	*(u32 *)place = value;
	return 0;
}
static inline int instr_is_relative_link_branch(ppc_inst_t instruction)
{
	u32 opcode = instruction.first >> 26;
	return (opcode == 16 || opcode == 18) && (instruction.first & 3) == 1;
}

/* The kernel around. */
typedef struct func_desc { unsigned long addr; } func_desc_t;
struct list_head { void *next, *prev; };
struct modversion_info { unsigned long crc; char name[56]; };
struct paca_struct {
	char before[16];
#ifndef CONFIG_PPC_KERNEL_PCREL
	u64 kernel_toc;
#endif
	u64 kernelbase;
};
static struct paca_struct paca = { .kernelbase = KERNEL_BASE };
#define local_paca (&paca)
#define kernel_toc_addr() KERNEL_TOC
struct ftrace_ool_stub { void *ops; u32 insn[4]; };
#define within_module_core(address, module) true
#define copy_from_kernel_nofault(to, from, size) (memcpy(to, from, size), 0)

struct module;
#include <asm/ppc-opcode.h>
#include <asm/module.h>

struct module { char name[56]; struct mod_arch_specific arch; };
bool module_elf_check_arch(Elf_Ehdr *);
bool module_init_section(const char *);
int module_frob_arch_sections(Elf_Ehdr *, Elf_Shdr *, char *, struct module *);
int apply_relocate_add(Elf64_Shdr *, const char *, unsigned int, unsigned int, struct module *);
