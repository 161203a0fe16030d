/* For arch/powerpc/kernel/module_64.c, besides what its tests have. */
#include "../../arch/tests/stubs/kernel/shim.h"

#define ALIGN(x, a) (((x) + (a) - 1) & ~((a) - 1UL))
#define max(x, y) ((x) > (y) ? (x) : (y))
__attribute__((weak)) char said[4096];

static const struct module unformed = { .name = "many" };
/* Bytes before the first section. */
static inline u64 place(struct module *module, void *base)
{
	return 0;
}
/* What the last load has left besides its memory and its struct module. */
static inline void forget(struct module *module)
{
}
