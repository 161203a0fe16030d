/* For arch/s390/kernel/module.c; numbers have the byte order of the host. */
#include "common.h"

#define is_livepatch_module(module) false
#define nospec_disable true
#define s390_kernel_write memcpy
#define MOD_TEXT 0
struct module_memory { void *base; unsigned int size; };

struct module;
#include <asm/module.h>

struct module { char name[56]; int state; struct module_memory mem[1]; struct mod_arch_specific arch; };

int module_frob_arch_sections(Elf_Ehdr *, Elf_Shdr *, char *, struct module *);
int apply_relocate_add(Elf64_Shdr *, const char *, unsigned int, unsigned int, struct module *);
static const struct module unformed = { .name = "many", .state = MODULE_STATE_UNFORMED };
/* Bytes before the first section: GOT and PLT. */
static inline u64 place(struct module *module, void *base)
{
	module->mem[MOD_TEXT].base = base;
	return module->mem[MOD_TEXT].size;
}
/* What the last load has left besides its memory and its struct module. */
static inline void forget(struct module *module)
{
	for (int i = 0; i < module->arch.nsyms; i++)
		module->arch.syminfo[i].got_initialized = module->arch.syminfo[i].plt_initialized = 0;
}
