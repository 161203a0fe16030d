// Premise: a variable points to another string from the beginning
// Changed data: name
// Refused: KLP-E0140 name
#include "kernel.h"

static const char *name = CHANGE("cyan", "blue");

void rename_it(const char *to)
{
	print(name);
	name = to;
}
