/* For arch/arm64/kernel/module.c and module-plts.c, and arch/arm64/lib/insn.c. */
#include "common.h"

/* The kernel's, of an older ABI. */
#undef R_AARCH64_NONE
#define R_AARCH64_NONE 256
#define swap(x, y) do { __typeof__(x) was = (x); (x) = (y); (y) = was; } while (0)
#define U16_MAX UINT16_MAX
#define U32_MAX UINT32_MAX
#define S16_MIN INT16_MIN
#define S16_MAX INT16_MAX
#define S32_MIN INT32_MIN
#define S32_MAX INT32_MAX
#define SZ_32 32
#define SZ_64 64
#define SZ_4K 0x1000
#define SZ_64K 0x10000
#define SZ_1M 0x100000
#define SZ_2M 0x200000
#define SZ_128M 0x8000000
#define L1_CACHE_BYTES 64
#define NR_FTRACE_PLTS 1
#define __kprobes
#define GENMASK(high, low) ((~0UL << (low)) & (~0UL >> (63 - (high))))
#define BUILD_BUG_ON(condition) ((void)0)
#define BUG_ON(condition) do { if (condition) abort(); } while (0)
#define BUG() abort()
#define hweight64 __builtin_popcountl
#define __ffs64 __builtin_ctzl
#define fls64(x) (64 - __builtin_clzl(x))
#define ffz(x) __builtin_ctzl(~(u64)(x))
#define cpus_have_final_cap(capability) false
#define module_init_layout_section(name) (!strncmp((name), ".init", 5))
#define within_module_init(address, module) false
#define aarch64_insn_copy memcpy

struct module;
#include <asm/insn.h>
#include <asm/module.h>

struct module { char name[56]; int state; struct mod_arch_specific arch; };

int module_frob_arch_sections(Elf_Ehdr *, Elf_Shdr *, char *, struct module *);
int apply_relocate_add(Elf64_Shdr *, const char *, unsigned int, unsigned int, struct module *);
static const struct module unformed = { .name = "many", .state = MODULE_STATE_UNFORMED };
/* Bytes before the first section. */
static inline u64 place(struct module *module, void *base)
{
	return 0;
}
/* What the last load has left besides its memory and its struct module. */
static inline void forget(struct module *module)
{
}
