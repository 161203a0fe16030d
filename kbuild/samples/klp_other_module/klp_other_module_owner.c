// SPDX-License-Identifier: GPL-2.0 OR MIT
/* The module with the hidden symbol that klp_other_module uses: it counts events. */
#include <linux/atomic.h>
#include <linux/module.h>

#include "owner.h"

static atomic_t owner_events = ATOMIC_INIT(41);

static noinline __used int owner_counted(void)
{
	return atomic_read(&owner_events);
}

void klp_other_module_event(void)
{
	atomic_inc(&owner_events);
}
EXPORT_SYMBOL_GPL(klp_other_module_event);

MODULE_LICENSE("Dual MIT/GPL");
MODULE_DESCRIPTION("Module whose hidden function the sample klp_other_module uses");
