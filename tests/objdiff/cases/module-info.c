// Premise: what a module says of itself changed, and the numbers of unique names with it
#include "kernel.h"

#ifdef PATCHED
MODULE_INFO(author, "somebody else");
#endif
MODULE_INFO(description, CHANGE("old", "new"));
MODULE_INFO(license, "GPL");

int run(int value)
{
	return other(value) + 1;
}
EXPORT_SYMBOL_GPL(run);
