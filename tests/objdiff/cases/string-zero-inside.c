// Premise: a string has a zero inside, and changed behind it
// Changed: parse
#include "kernel.h"

void parse(void)
{
	use(CHANGE("root\0ro\0quiet", "root\0rw\0quiet"));
}

void parse_again(void)
{
	use("init\0ro\0quiet");
}
