// Premise: a constant of 64 bits changed, which GCC for s390x has in a pool without names, and all others in code
// Changed: hash
#include "kernel.h"

u64 hash(u64 value)
{
	return value * 0x9e3779b97f4a7c15ul ^ CHANGE(0x123456789abcdef1ul, 0x123456789abcdef3ul);
}

u64 hash_again(u64 value)
{
	return value * 0x9e3779b97f4a7c15ul ^ 0x123456789abcdef5ul;
}
