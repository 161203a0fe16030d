/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * klp-convert.h - tell klp-convert what a symbol of a livepatch means
 *
 * A livepatch may use symbols that the kernel does not export: declare them `extern` and use them.
 * klp-convert finds a name that exists once by itself. A name that exists several times, or a use
 * that belongs to another object than the symbol's own, is annotated with one of the dialects
 * below. They may be mixed in one module; klp-convert removes every trace of them.
 *
 * The first two read the position of a symbol like the kernel does (struct klp_func, old_sympos):
 *   0      the name exists exactly once in its object
 *   1..n   the n-th symbol of that name: in vmlinux by ascending address (/proc/kallsyms), in a
 *          module by the order of its symbol table
 * A position belongs to one build of a kernel. The third names a source file or a neighbour instead,
 * which stay what they are from kernel to kernel: prefer it for whatever is not unique.
 *
 * Where a name needs an annotation, klp-convert says so and prints the line for every candidate.
 *
 * Tried with gcc 12.2 and binutils 2.40 against Linux 7.2.13, for x86_64, ppc64le, s390x and arm64.
 */
#ifndef KLP_CONVERT_H
#define KLP_CONVERT_H

#include <linux/compiler.h>
#include <linux/types.h>

/*
 * Dialect 1, an array (klp-convert v7): which of the homonyms a plain `extern` means.
 *
 *	extern int set_is_seen(struct ctl_table_set *set);
 *	extern char *saved_command_line;
 *
 *	KLP_MODULE_RELOC(vmlinux) vmlinux_symbols[] = {
 *		KLP_SYMPOS(set_is_seen, 2),
 *		KLP_SYMPOS(saved_command_line, 0),
 *	};
 *
 * The word in parentheses is the object that has the symbols; it goes into the name of the section,
 * .klp.module_relocs.<object>, as it is written, even where it is a macro's name (unix). One array
 * may be made per object and source file. A name that is no C identifier is reached through an
 * assembler label:
 *
 *	extern spinlock_t shmem_lock __asm__("lock.1");
 *
 * An entry has 12 bytes on every machine. The first eight exist for the relocation that names the
 * symbol, the rest is the position in the byte order of the machine.
 */
struct klp_module_reloc {
	union {
		const void *symbol;
		__u64 symbol_64;
	};
	__u32 position;
} __attribute__((__packed__));

#define KLP_MODULE_RELOC(object)						\
	struct klp_module_reloc							\
	__attribute__((__used__, __aligned__(4),				\
		       __section__(".klp.module_relocs." #object)))

#define KLP_SYMPOS(name, pos) { { .symbol = (const void *)&(name) }, .position = (pos) }

/*
 * Dialect 2, a name (klp-convert "minimal"): everything is said in the assembler name of the
 * declaration, so that one C file can use two symbols of one name, and code that patches one object
 * can use a symbol of another.
 *
 *	extern int set_is_seen(struct ctl_table_set *set)
 *		KLP_RELOC_SYMBOL_POS(vmlinux, vmlinux, set_is_seen, 2);
 *	extern int nf_hidden(void)
 *		KLP_RELOC_SYMBOL(nf_tables, nf_conntrack, nf_hidden);
 *
 * First the object whose loading makes the kernel write the relocation (the one the code patches),
 * then the object that has the symbol, then the symbol; it may contain dots. All of them are taken
 * as they are written. The result is .klp.sym.rela.<patched>.<owner>.<symbol>.<position>.
 */
#define KLP_RELOC_SYMBOL_POS(patched, owner, name, pos)			\
	__asm__(".klp.sym.rela." #patched "." #owner "." #name "." #pos)

#define KLP_RELOC_SYMBOL(patched, owner, name)				\
	__asm__(".klp.sym.rela." #patched "." #owner "." #name ".0")

/*
 * Dialect 3, a selector: klp-convert finds out the position, in every kernel anew.
 *
 *	extern int show_stat(struct seq_file *p, void *v);
 *	KLP_SYMBOL_IN(vmlinux, show_stat, "fs/proc/stat.c");
 *
 *	extern struct ctl_table_root set_root;
 *	KLP_SYMBOL_NEXT_TO(vmlinux, set_root, ucounts_hashtable);
 *
 * First the object that has the symbol, then the symbol as the C source calls it, then its source
 * file, as much of the path as tells it apart, or a static function or variable that is defined in
 * the same source file. What does not single out one symbol is refused with all candidates.
 *
 * What follows are further members, where they are needed: the object whose loading makes the kernel
 * write the relocation, if not the owner, and the symbol's name in its object, if C cannot spell it
 * or the source uses several symbols of one name:
 *
 *	extern int seen_of_pid(struct ctl_table_set *set);
 *	KLP_SYMBOL_IN(vmlinux, seen_of_pid, "kernel/pid.c", .name = "set_is_seen");
 *
 *	extern int hidden(void);
 *	KLP_SYMBOL_IN(nf_conntrack, hidden, "nf_conntrack_core.c", .patched = "nf_tables");
 *
 * A record has the same 1152 bytes on every machine but for the byte order of size. The first eight
 * exist for the relocation that names the symbol; texts end with a NUL and are filled up with NULs.
 */
struct klp_selector {
	union {
		const void *symbol;
		__u64 symbol_64;
	};
	__u32 size;
	unsigned char version;
	unsigned char kind;
	unsigned char reserved[2];
	char owner[56];
	char patched[56];
	char name[512];
	char text[512];
} __attribute__((__aligned__(8)));

_Static_assert(sizeof(struct klp_selector) == 1152, "a selector has no holes");

#define KLP_SELECTOR_VERSION 1
#define KLP_SELECTOR_IN 1
#define KLP_SELECTOR_NEXT_TO 2
#define KLP_SELECTOR_FUNC_IN 3
#define KLP_SELECTOR_FUNC_NEXT_TO 4

/* One C name is one symbol: a second selector of it in one file is an error of the compiler's. */
#define KLP_SELECTOR(owner_, symbol_, kind_, text_, ...)			\
	static struct klp_selector klp_selector_##symbol_			\
	__attribute__((__used__, __aligned__(8),				\
		       __section__(".klp.selectors"))) = {			\
		.symbol = (const void *)&(symbol_),				\
		.size = sizeof(struct klp_selector),				\
		.version = KLP_SELECTOR_VERSION,				\
		.kind = (kind_),						\
		.owner = owner_,						\
		.text = text_,							\
		__VA_ARGS__							\
	}

#define KLP_SYMBOL_IN(owner, symbol, file, ...)				\
	KLP_SELECTOR(#owner, symbol, KLP_SELECTOR_IN, file, __VA_ARGS__)

#define KLP_SYMBOL_NEXT_TO(owner, symbol, neighbour, ...)			\
	KLP_SELECTOR(#owner, symbol, KLP_SELECTOR_NEXT_TO, #neighbour, __VA_ARGS__)

/*
 * The same for a function that the livepatch replaces, where several have its name: klp-convert finds
 * the position and fills it into .old_sympos of the static struct klp_func that has these members.
 *
 *	static struct klp_func funcs[] = {
 *		{ .old_name = "set_is_seen", .new_func = new_set_is_seen }, { }
 *	};
 *	KLP_FUNC_IN(vmlinux, set_is_seen, new_set_is_seen, "kernel/ucount.c");
 *
 * First the object that has the function, then old_name and new_func, then the source file of the
 * function, or a static function or variable of the same file (KLP_FUNC_NEXT_TO).
 */
#define KLP_FUNC_SELECTOR(object_, old_name_, new_func_, kind_, text_)		\
	static struct klp_selector klp_func_selector_##new_func_		\
	__attribute__((__used__, __aligned__(8),				\
		       __section__(".klp.selectors"))) = {			\
		.symbol = (const void *)(new_func_),				\
		.size = sizeof(struct klp_selector),				\
		.version = KLP_SELECTOR_VERSION,				\
		.kind = (kind_),						\
		.owner = object_,						\
		.name = old_name_,						\
		.text = text_,							\
	}

#define KLP_FUNC_IN(object, old_name, new_func, file)				\
	KLP_FUNC_SELECTOR(#object, #old_name, new_func, KLP_SELECTOR_FUNC_IN, file)

#define KLP_FUNC_NEXT_TO(object, old_name, new_func, neighbour)			\
	KLP_FUNC_SELECTOR(#object, #old_name, new_func, KLP_SELECTOR_FUNC_NEXT_TO, #neighbour)

#endif /* KLP_CONVERT_H */
