// Premise: a static call calls another function until it is updated
// Note: the trampoline's code names the function, and the key is data that can be written
// Machines: x86_64
// Changed: __SCT__first
// Changed data: __SCK__first
// Refused: KLP-E0142 __SCT__first
// Refused: KLP-E0140 __SCK__first
#include "kernel.h"

#ifdef PATCHED
DEFINE_STATIC_CALL(first, another);
#else
DEFINE_STATIC_CALL(first, other);
#endif

int run(int value)
{
	STATIC_CALL(first, first);
	return other(value);
}
