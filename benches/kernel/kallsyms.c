/*
 * Looks up and expands the names of a kernel with its own functions, and says how long that took.
 *
 * The first file has names, each with its NUL. For each letter on the standard input a line:
 *   l  nanoseconds that kallsyms_lookup_name took for all of them
 *   e  nanoseconds that kallsyms_expand_symbol took for all symbols
 *   w  writes the addresses of the names, from that of the first symbol, to the second file
 */
#include <time.h>

#define KSYM_NAME_LEN 512
#define ARRAY_SIZE(array) (sizeof(array) / sizeof *(array))
/* CONFIG_64BIT */
#undef IS_ENABLED
#define IS_ENABLED(option) 1

static void *offset_to_ptr(const int *off)
{
	return (void *)((unsigned long)off + *off);
}

static unsigned long module_kallsyms_lookup_name(const char *name)
{
	return 0;
}

#include KALLSYMS

static u64 now(void)
{
	struct timespec time;
	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1000000000ull + time.tv_nsec;
}

int main(int argc, char **argv)
{
	static char names[1 << 20];
	FILE *input = fopen(argv[1], "r");
	size_t size = fread(names, 1, sizeof names, input);
	static u64 addresses[1 << 16];
	unsigned int count = 0, off = 0;
	char namebuf[KSYM_NAME_LEN];
	for (int letter; (letter = getchar()) != EOF; fflush(stdout)) {
		u64 began = now();
		switch (letter) {
		case 'l':
			count = 0;
			for (char *name = names; name < names + size; name += strlen(name) + 1)
				addresses[count++] = kallsyms_lookup_name(name) - kallsyms_sym_address(0);
			break;
		case 'e':
			for (unsigned int i = off = 0; i < kallsyms_num_syms; i++)
				off = kallsyms_expand_symbol(off, namebuf, sizeof namebuf);
			break;
		case 'w': {
			FILE *output = fopen(argv[2], "w");
			fwrite(addresses, sizeof *addresses, count, output);
			fclose(output);
			break;
		}
		}
		printf("%llu\n", (unsigned long long)(now() - began));
	}
	return 0;
}
