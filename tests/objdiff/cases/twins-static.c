// Premise: two static functions had the same body, and one of them changed
// Note: while they were alike, GCC had all callers call the first
// Changed: second
// Changed[gcc]: run
#include "kernel.h"

#define BODY(factor)							\
	{								\
		int sum = 0;						\
									\
		for (int i = 0; i < value; i++) {			\
			sum += other(i) * factor + another(i ^ sum);	\
			if (sum > flag) {				\
				print("big\n");				\
				print("too big\n");			\
				sum -= another(sum);			\
				print("less\n");			\
			}						\
		}							\
		return sum;						\
	}

static noinline int first(int value)
BODY(3)

static noinline int second(int value)
BODY(CHANGE(3, 5))

int run(int value)
{
	return first(value) + second(value + 1);
}

int run_again(int value)
{
	return first(value) - other(1);
}
