// SPDX-License-Identifier: MIT OR Apache-2.0
// Reads and writes less than was asked for, as a pipe or a network may, and is interrupted every third time.
#define _GNU_SOURCE
#include <errno.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

static size_t some(size_t count)
{
	return count < 13 ? count : 13;
}

static int interrupted(void)
{
	static int calls;

	if (++calls % 3)
		return 0;
	errno = EINTR;
	return 1;
}

ssize_t read(int file, void *bytes, size_t count)
{
	return interrupted() ? -1 : syscall(SYS_read, file, bytes, some(count));
}

ssize_t write(int file, const void *bytes, size_t count)
{
	return interrupted() ? -1 : syscall(SYS_write, file, bytes, some(count));
}

ssize_t pread64(int file, void *bytes, size_t count, off_t at)
{
	return interrupted() ? -1 : syscall(SYS_pread64, file, bytes, some(count), at);
}
