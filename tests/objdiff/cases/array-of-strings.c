// Premise: one string of an array changed, neither the array's bytes nor the code
// Note: where code is position-independent Clang makes such arrays relative, under another name
// Changed: describe
// Changed data[gcc]: names
// Changed data[clang x86_64 ppc64le arm64]: names
// Changed data[clang s390x]: names.rel
#include "kernel.h"

static const char *const names[] = { "red", "green", CHANGE("blue", "cyan"), "white" };

void describe(int color)
{
	print(names[color]);
}

void untouched(void)
{
	print("green");
}
