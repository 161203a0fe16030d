/*
 * Loads a module with the kernel's own functions, and says how long that took.
 *
 * The file, of numbers of eight bytes in the host's order: sections with name, type, flags, info, alignment, size and
 * body; symbols with value and section. For each letter on the standard input a line with nanoseconds:
 *   a  all relocations of a module that is in place (apply_relocate_add)
 *   l  a load: module_frob_arch_sections, memory, sections moved there, symbols given addresses, all relocations
 *   w  writes the module's memory, as the last of these has left it, to the second file
 */
#include <sys/mman.h>
#include <time.h>

static FILE *input;

static u64 number(void)
{
	u64 value;
	if (fread(&value, 8, 1, input) != 1)
		exit(1);
	return value;
}

static u64 now(void)
{
	struct timespec time;
	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1000000000ull + time.tv_nsec;
}

/* The module's file, and a section header table, as the kernel has them; and what they were at first. */
static char *image, *first_image, *names;
static u64 image_size, count, symtab, size;
static Elf64_Shdr *sections, *first_sections;
static struct module module;

static void start(void)
{
	memcpy(image, first_image, image_size);
	memcpy(sections, first_sections, (count + 2) * sizeof *sections);
	module = unformed;
}

static void frob(void)
{
	if (module_frob_arch_sections((void *)image, sections, names, &module))
		exit(2);
	size = place(&module, (void *)BASE);
	/* Instructions first: stubs must be near. */
	for (int data = 0; data < 2; data++) {
		for (u64 i = 1; i < count; i++) {
			Elf64_Shdr *s = &sections[i];
			if (!(s->sh_flags & SHF_ALLOC) || !(s->sh_flags & SHF_EXECINSTR) != data)
				continue;
			size = ALIGN(size, max(s->sh_addralign, 8));
			s->sh_addr = BASE + size;
			size += s->sh_size;
		}
	}
}

static void allocate(void)
{
	if (mmap((void *)BASE, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED)
		exit(3);
}

static void move(void)
{
	memset((void *)BASE, 0, size);
	for (u64 i = 1; i < count; i++) {
		Elf64_Shdr *s = &sections[i];
		if ((s->sh_flags & SHF_ALLOC) && s->sh_type != SHT_NOBITS)
			memcpy((void *)s->sh_addr, image + s->sh_offset, s->sh_size);
	}
}

static void simplify(void)
{
	Elf64_Sym *symbols = (void *)sections[symtab].sh_addr;
	for (u64 i = 1; i < sections[symtab].sh_size / sizeof *symbols; i++)
		symbols[i].st_value += symbols[i].st_shndx ? sections[symbols[i].st_shndx].sh_addr : KERNEL;
}

static void relocate(void)
{
	for (u64 i = 1; i < count; i++)
		if (sections[i].sh_type == SHT_RELA &&
		    apply_relocate_add(sections, names, symtab, i, &module))
			exit(4);
}

int main(int argc, char **argv)
{
	input = fopen(argv[1], "r");
	count = number();
	sections = calloc(count + 2, sizeof *sections);
	first_sections = calloc(count + 2, sizeof *sections);
	first_image = calloc(1, number());
	names = calloc(1, 1 << 16);
	u64 names_end = 1;
	image_size = sizeof(Elf64_Ehdr);
	for (u64 i = 0; i < count; i++) {
		Elf64_Shdr *s = &first_sections[i];
		u64 length = number();
		s->sh_name = names_end;
		if (length && fread(names + names_end, length, 1, input) != 1)
			return 1;
		names_end += length + 1;
		s->sh_type = number();
		s->sh_flags = number();
		s->sh_info = number();
		s->sh_addralign = number();
		s->sh_size = number();
		s->sh_offset = image_size;
		length = number();
		if (length && fread(first_image + image_size, length, 1, input) != 1)
			return 1;
		image_size = ALIGN(image_size + length, 16);
	}
	symtab = count;
	Elf64_Sym *symbols = (void *)(first_image + image_size);
	u64 symbol_count = number();
	first_sections[symtab].sh_type = SHT_SYMTAB;
	first_sections[symtab].sh_size = symbol_count * sizeof *symbols;
	first_sections[symtab].sh_offset = image_size;
	first_sections[symtab].sh_link = symtab + 1;
	for (u64 i = 0; i < symbol_count; i++) {
		symbols[i].st_value = number();
		symbols[i].st_shndx = number();
	}
	image_size += symbol_count * sizeof *symbols;
	/* A table of strings with the empty one. */
	first_sections[symtab + 1].sh_type = SHT_STRTAB;
	first_sections[symtab + 1].sh_offset = image_size++;
	((Elf64_Ehdr *)first_image)->e_shnum = count + 2;
	image = malloc(image_size);
	for (u64 i = 0; i < count + 2; i++)
		first_sections[i].sh_addr = (u64)image + first_sections[i].sh_offset;

	start();
	frob();
	allocate();
	simplify();
	struct module loaded = module;
	for (int letter; (letter = getchar()) != EOF;) {
		u64 began;
		switch (letter) {
		case 'a':
			module = loaded;
			forget(&module);
			move();
			began = now();
			relocate();
			printf("%llu\n", (unsigned long long)(now() - began));
			break;
		case 'l':
			start();
			began = now();
			frob();
			allocate();
			move();
			simplify();
			relocate();
			printf("%llu\n", (unsigned long long)(now() - began));
			loaded = module;
			break;
		case 'w': {
			FILE *output = fopen(argv[2], "w");
			fwrite((void *)BASE, size, 1, output);
			fclose(output);
			printf("%llu\n", (unsigned long long)size);
			break;
		}
		}
		fflush(stdout);
	}
	return 0;
}
