// Premise: one letter of a string of 16-bit characters changed
// Changed: name
#include "kernel.h"

void name(void)
{
	use(CHANGE(u"BootOrder", u"BootOrdre"));
}

void next(void)
{
	use(u"BootNext");
}
