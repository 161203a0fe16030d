// Premise: functions stand in another order in the source, nothing else
// Note: GCC's scheduler for s390x goes on where it was at the end of the function before
// Changed[s390x gcc]: third
#include "kernel.h"

#define FIRST							\
	static int first_calls;					\
	int first(int value)					\
	{							\
		print("first\n");				\
		return other(value) + ++first_calls;		\
	}
#define SECOND							\
	static int second_calls;				\
	int second(int value)					\
	{							\
		static const int numbers[] = { 1, 2, 4, 8 };	\
		print("second\n");				\
		return other(numbers[value]) - ++second_calls;	\
	}
#define THIRD							\
	int third(int value)					\
	{							\
		static const int numbers[] = { 3, 9, 27, 81 };	\
		static int calls;				\
		print("third\n");				\
		return another(numbers[value]) + ++calls;	\
	}

#ifdef PATCHED
THIRD
FIRST
SECOND
#else
FIRST
SECOND
THIRD
#endif
