/* For arch/x86/kernel/module.c. */
#include "common.h"

#define text_poke memcpy
#define mutex_lock(mutex) ((void)0)
#define mutex_unlock(mutex) ((void)0)
#define smp_text_poke_sync_each_cpu() ((void)0)

struct module { char name[56]; int state; };

int apply_relocate_add(Elf64_Shdr *, const char *, unsigned int, unsigned int, struct module *);
static inline int module_frob_arch_sections(Elf_Ehdr *header, Elf_Shdr *sections, char *names, struct module *module)
{
	return 0;
}
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
