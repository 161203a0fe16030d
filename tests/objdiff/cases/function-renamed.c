// Premise: a static function got another name
// Note: functions are compared by who they are, so its caller changed
// Changed: run
// New: helps
// Gone: assists
#include "kernel.h"

static opaque int CHANGE(assists, helps)(int value)
{
	return other(value) * 3;
}

int run(int value)
{
	return CHANGE(assists, helps)(value) + 1;
}
