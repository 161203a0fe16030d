// Premise: a constant without a name, to which a named one points, changed
// Changed: apply
// Changed data: settings
#include "kernel.h"

struct range { int from, to; };
struct settings { const char *name; const struct range *range; };

static const struct settings settings[] = {
	{ "slow", &(const struct range){ 1, 10 } },
	{ "fast", &(const struct range){ 11, CHANGE(99, 98) } },
};

int apply(int speed)
{
	print(settings[speed].name);
	return settings[speed].range->to;
}

int untouched(int value)
{
	return other(value) + 1;
}
