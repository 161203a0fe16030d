// Premise: an array of zeros has more elements
// Changed data: buffer
// Refused: KLP-E0140 buffer
#include "kernel.h"

static int buffer[CHANGE(16, 32)];

int *slot(int index)
{
	other(index);
	return &buffer[index];
}
