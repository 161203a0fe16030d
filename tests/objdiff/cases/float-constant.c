// Premise: a floating-point constant changed
// Flags[x86_64]: -msse2
// Without[ppc64le]: -msoft-float -mno-altivec -mno-vsx
// Without[s390x]: -msoft-float -mpacked-stack
// Without[arm64]: -mgeneral-regs-only
// Changed: area
#include "kernel.h"

void area(double *radius)
{
	*radius *= CHANGE(3.14159, 3.14160);
}

void growth(double *rate)
{
	*rate *= 2.71828;
}
