// Premise: a vector changed that is loaded from a section of constants without names
// Flags[x86_64]: -msse2
// Without[ppc64le]: -msoft-float -mno-altivec -mno-vsx
// Without[s390x]: -msoft-float -mpacked-stack
// Without[arm64]: -mgeneral-regs-only
// Changed: mix
#include "kernel.h"

typedef int vector __attribute__((vector_size(16)));

void mix(vector *v)
{
	*v += (vector){ 1, 2, 3, CHANGE(4, 5) };
}

void scale(vector *v)
{
	*v ^= (vector){ 9, 2, 7, 4 };
}
