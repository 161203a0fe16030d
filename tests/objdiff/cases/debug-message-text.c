// Premise: the text of a message for debugging changed, which the code has from its descriptor
// Note: a descriptor has no identity, and what it says is what the function prints
// Changed: run
#include "kernel.h"

void __dynamic_print_it(struct ddebug *);

#undef pr_debug
#define pr_debug(text)								\
	({ static struct ddebug descriptor __aligned(8) __used __section("__dyndbg") = {	\
		.module = "cases", .function = __func__, .file = __FILE__,	\
		.format = text, .line = __LINE__, .class = 63 };		\
	   if (static_branch_unlikely(&descriptor.key))				\
		__dynamic_print_it(&descriptor); })

int run(int value)
{
	pr_debug(CHANGE("running\n", "walking\n"));
	return other(value) + 1;
}

int run_again(int value)
{
	pr_debug("running again\n");
	return other(value) + 2;
}
