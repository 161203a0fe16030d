// Premise: two functions shared a vector, one of them uses another one now
// Flags[x86_64]: -msse2
// Without[ppc64le]: -msoft-float -mno-altivec -mno-vsx
// Without[s390x]: -msoft-float -mpacked-stack
// Without[arm64]: -mgeneral-regs-only
// Changed: scale
#include "kernel.h"

typedef int vector __attribute__((vector_size(16)));

void mix(vector *v)
{
	*v += (vector){ 1, 2, 3, 4 };
}

void scale(vector *v)
{
	*v ^= (vector){ 1, 2, 3, CHANGE(4, 5) };
}
