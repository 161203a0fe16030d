// Premise: two functions had the same body, which GCC kept once, with both names; then one of them changed
// Note: what the shared body had besides, for calls by this object, is gone
// Changed: second
// Gone[s390x gcc]: first.localalias
#include "kernel.h"

#define BODY(factor)							\
	{								\
		int sum = 0;						\
									\
		for (int i = 0; i < value; i++) {			\
			sum += other(i) * factor + another(i ^ sum);	\
			if (sum > flag) {				\
				print("big\n");				\
				sum -= another(sum);			\
			}						\
		}							\
		return sum;						\
	}

int first(int value)
BODY(3)

int second(int value)
BODY(CHANGE(3, 5))
