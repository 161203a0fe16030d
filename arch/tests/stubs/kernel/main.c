/*
 * Reads modules, takes them through the kernel's functions, and writes what became of them.
 *
 * All numbers have eight bytes. A module: sections with name, type, flags, info, alignment, size
 * and body; symbols with name, value, section and st_other. The answer: for each section its size,
 * its alignment, and its body if it is a table; then twice (applied and finalized; applied again) an
 * error number, what was said, and the memory.
 */
#include <sys/mman.h>

#define ARENA (1 << 20)
char said[4096];

static u64 number(void)
{
	u64 value;
	if (fread(&value, 8, 1, stdin) != 1)
		exit(0);
	return value;
}

static void bytes(void *to, u64 length)
{
	if (length && fread(to, length, 1, stdin) != 1)
		exit(1);
}

static void answer(u64 value)
{
	fwrite(&value, 8, 1, stdout);
}

static void answer_bytes(const void *from, u64 length)
{
	answer(length);
	fwrite(from, 1, length, stdout);
}

static int apply(Elf64_Shdr *sections, u64 count, const char *names, struct module *module)
{
	for (u64 i = 1; i < count; i++) {
		if (sections[i].sh_type != SHT_RELA)
			continue;
		int error = apply_relocate_add(sections, names, count, i, module);
		if (error)
			return error;
	}
	return 0;
}

static void state(int error, const char *memory, u64 size)
{
	answer(-error);
	answer_bytes(said, strlen(said));
	answer_bytes(memory, size);
}

int main(void)
{
	char *memory = mmap((void *)BASE, ARENA, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	if (memory != (char *)BASE)
		return 1;
	for (;;) {
		u64 count = number(), end = sizeof(Elf64_Ehdr), names_end = 1;
		char *image = calloc(1, ARENA), *names = calloc(1, ARENA);
		Elf64_Shdr *sections = calloc(count + 2, sizeof *sections);
		for (u64 i = 0; i < count; i++) {
			u64 length = number();
			sections[i].sh_name = names_end;
			bytes(names + names_end, length);
			names_end += length + 1;
			sections[i].sh_type = number();
			sections[i].sh_flags = number();
			sections[i].sh_info = number();
			sections[i].sh_addralign = number();
			sections[i].sh_size = number();
			end = roundup(end, 16);
			sections[i].sh_offset = end;
			sections[i].sh_addr = (u64)(image + end);
			length = number();
			bytes(image + end, length);
			end += length;
		}
		u64 symbol_count = number();
		end = roundup(end, 16);
		Elf64_Shdr *symtab = &sections[count], *strtab = &sections[count + 1];
		Elf64_Sym *symbols = (void *)(image + end);
		symtab->sh_type = SHT_SYMTAB;
		symtab->sh_link = count + 1;
		symtab->sh_size = symbol_count * sizeof *symbols;
		symtab->sh_offset = end;
		symtab->sh_addr = (u64)symbols;
		end += symtab->sh_size;
		strtab->sh_type = SHT_STRTAB;
		strtab->sh_offset = end;
		strtab->sh_addr = (u64)(image + end);
		char *strings = image + end++;
		for (u64 i = 0; i < symbol_count; i++) {
			u64 length = number();
			symbols[i].st_name = image + end - strings;
			bytes(image + end, length);
			end += length + 1;
			symbols[i].st_value = number();
			symbols[i].st_shndx = number();
			symbols[i].st_other = number();
		}
		Elf64_Ehdr *header = (void *)image;
		header->e_shnum = count + 2;
		struct module module = { .name = "patch" };
		said[0] = 0;
		if (module_frob_arch_sections(header, sections, names, &module))
			return 1;
		u64 size = 0;
		memset(memory, 0, ARENA);
		for (u64 i = 0; i < count; i++) {
			Elf64_Shdr *section = &sections[i];
			answer(section->sh_size);
			answer(section->sh_addralign);
			if (section->sh_type == SHT_RELA)
				answer_bytes(image + section->sh_offset, section->sh_size);
			if (!(section->sh_flags & SHF_ALLOC))
				continue;
			size = roundup(size, section->sh_addralign);
			if (section->sh_type != SHT_NOBITS)
				memcpy(memory + size, image + section->sh_offset, section->sh_size);
			section->sh_addr = BASE + size;
			size += section->sh_size;
		}
		int error = apply(sections, count, strings, &module);
		if (!error)
			error = module_finalize_ftrace(&module, sections);
		state(error, memory, size);
		said[0] = 0;
		error = apply(sections, count, strings, &module);
		state(error, memory, size);
		free(image);
		free(names);
		free(sections);
	}
}
