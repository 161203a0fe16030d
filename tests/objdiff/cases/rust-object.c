// Premise: an object that rustc made, as its .comment says
// Refused: KLP-E0147
#include "kernel.h"

asm(".ident \"rustc version 1.78.0 (9b00956e5 2024-04-29)\"");

int run(int value)
{
	return other(value) + 1;
}
