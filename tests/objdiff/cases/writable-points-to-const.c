// Premise: a variable points to a constant array that changed
// Note: the variable of a running kernel keeps its pointer to the old array
// Changed data: numbers current_numbers
// Refused: KLP-E0140 current_numbers
#include "kernel.h"

static const int numbers[] = { 2, 3, CHANGE(5, 6) };
static const int *current_numbers = numbers;

void next(const int *to)
{
	other(*current_numbers);
	current_numbers = to;
}
