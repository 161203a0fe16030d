// Premise: functions that are in one section stand in another order in the source, nothing else
// Note: GCC's scheduler for s390x goes on where it was at the end of the function before
// Flags: -fno-function-sections -fno-data-sections
// Flags[ppc64le gcc]: -fno-section-anchors
// Changed[s390x gcc]: third
#include "kernel.h"

#define HELPER							\
	static opaque int helper(int value)			\
	{							\
		return other(value) * 3;			\
	}
#define FIRST							\
	static int first_calls;					\
	int first(int value)					\
	{							\
		print("first\n");				\
		return helper(value) + ++first_calls;		\
	}
#define SECOND							\
	static int second_calls;				\
	int second(int value)					\
	{							\
		print("second\n");				\
		return helper(value) - ++second_calls;		\
	}
#define THIRD							\
	int third(int value)					\
	{							\
		static const int numbers[] = { 3, 9, 27, 81 };	\
		static int calls;				\
		print("third\n");				\
		return another(numbers[value]) + helper(++calls);	\
	}

static int helper(int value);
#ifdef PATCHED
THIRD
FIRST
HELPER
SECOND
#else
FIRST
HELPER
SECOND
THIRD
#endif
