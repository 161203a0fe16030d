// Premise: an event was defined, and a function traces it
// Note: its name belongs to it; the list of pointers to events is a table
// Changed: run
// New data: __tracepoint_begin __tpstrtab_begin
#include "kernel.h"

DECLARE_TRACE(begin);
DECLARE_TRACE(end);
#ifdef PATCHED
DEFINE_TRACE(begin);
#endif
DEFINE_TRACE(end);

int run(int value)
{
#ifdef PATCHED
	trace(begin, value);
#endif
	return other(value) + 1;
}

int run_again(int value)
{
	trace(end, value);
	return other(value) + 3;
}
