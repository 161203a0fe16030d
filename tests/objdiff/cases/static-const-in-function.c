// Premise: a constant array inside of a function changed
// Changed: nth
// Changed data[gcc]: primes
// Changed data[clang]: nth.primes
#include "kernel.h"

int nth(int n)
{
	static const int primes[] = { 2, 3, 5, CHANGE(7, 11) };

	return other(primes[n]);
}

int square(int n)
{
	static const int primes[] = { 4, 9, 25, 49 };

	return other(primes[n]);
}
