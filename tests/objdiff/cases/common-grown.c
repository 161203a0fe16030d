// Premise: a common symbol is larger
// Flags: -fcommon
// Changed data: buffer
// Refused: KLP-E0140 buffer
#include "kernel.h"

int buffer[CHANGE(16, 32)];

int *slot(int index)
{
	other(index);
	return &buffer[index];
}
