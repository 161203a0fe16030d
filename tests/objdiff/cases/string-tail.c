// Premise: the same text, once a string of its own and once the end of a longer one
// Note: what a function reads is the text from where it points; what stands before it is another's
// Note: on two machines the place inside of the longer one is an immediate, or comes from the TOC
// Changed: count
// Changed[ppc64le s390x]: greet
#include "kernel.h"

void greet(void)
{
	print(CHANGE("world\n", &"hello, world\n"[7]));
}

void count(void)
{
	print(&CHANGE("one two\n", "one ten\n")[4]);
}
