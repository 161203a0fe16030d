// What the cases need of a kernel: macros that leave the tables, sections and traps in an object that the kernel's own
// ones leave. Sizes and fields are those of Linux 7.2, but for __bug_table: 12 bytes on every machine.

#ifdef PATCHED
#define CHANGE(old, new)	new
#else
#define CHANGE(old, new)	old
#endif

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long u64;
typedef _Bool bool;
#define true 1
#define false 0
#define NULL ((void *)0)

#define __section(name)		__attribute__((section(name)))
#define __used			__attribute__((used))
#define __weak			__attribute__((weak))
#define __aligned(n)		__attribute__((aligned(n)))
#define __cold			__attribute__((cold))
#define __alias(name)		__attribute__((alias(#name)))
#define noinline		__attribute__((noinline))
#define __always_inline		inline __attribute__((always_inline))
#define likely(x)		__builtin_expect(!!(x), 1)
#define unlikely(x)		__builtin_expect(!!(x), 0)

#define __init			__section(".init.text") __cold
#define __initdata		__section(".init.data")
#define __initconst		__section(".init.rodata")
#define __ro_after_init		__section(".data..ro_after_init")
#define __read_mostly		__section(".data..read_mostly")
#define __once			__section(".data..once")

// No ftrace site. The attribute is that of the flag that tests/objdiff/build makes sites with.
#if defined(__aarch64__)
#define notrace			__attribute__((patchable_function_entry(0, 0)))
#else
#define notrace			__attribute__((no_instrument_function))
#endif

// Keeps all that a clone or an inlined copy could save: the function is called, as it is written.
#if defined(__clang__)
#define opaque			noinline
#else
#define opaque			__attribute__((noipa))
#endif

// The compiler does not know what these do.
int other(int);
int another(int);
void use(const void *);
void print(const char *format, ...);
extern int flag;

#define __str(x)		#x
#define str(x)			__str(x)

// ---- __bug_table: code, file, line, flags

#define BUG_WARNING		1
#define BUG_ONCE		2
#define BUG_TAINT(n)		((n) << 8)

#if defined(__x86_64__)
#define TRAP			"ud2"
#define TABLE_ALIGN
#elif defined(__powerpc64__)
#define TRAP			"twi 31, 0, 0"
#define TABLE_ALIGN
#elif defined(__s390x__)
#define TRAP			"mc 0(%%r0), 0"
#define TABLE_ALIGN
#elif defined(__aarch64__)
#define TRAP			"brk 0x800"
#define TABLE_ALIGN		".balign 4\n"
#endif

// What objtool is told of an entry's size on x86_64.
#if defined(__x86_64__)
#define ANNOTATE								\
	"911:\n"								\
	".pushsection .discard.annotate_data, \"M\", @progbits, 8\n"		\
	".long 911b - ., 1\n"							\
	".popsection\n"
#else
#define ANNOTATE
#endif

// Position-independent code has no immediate that is an address, so on s390x the string is written here.
#if defined(__s390x__)
#define BUG_ENTRY(flags)							\
	asm volatile("1:	" TRAP "\n"					\
		".pushsection .rodata.str1.2, \"aMS\", @progbits, 1\n"		\
		"3:	.asciz \"" __FILE__ "\"\n"				\
		".popsection\n"							\
		".pushsection __bug_table, \"aw\"\n"				\
		"2:	.long 1b - ., 3b - .\n"					\
		"	.short %0, %1\n"					\
		"	.org 2b + 12\n"						\
		".popsection\n"							\
		: : "i" (__LINE__), "i" (flags))
#else
#define BUG_ENTRY(flags)							\
	asm volatile("1:	" TRAP "\n"					\
		".pushsection __bug_table, \"aw\"\n"				\
		TABLE_ALIGN							\
		ANNOTATE							\
		"2:	.long 1b - ., %c0 - .\n"				\
		"	.short %c1, %c2\n"					\
		"	.org 2b + 12\n"						\
		".popsection\n"							\
		: : "i" (__FILE__), "i" (__LINE__), "i" (flags))
#endif

#define BUG()			do { BUG_ENTRY(0); __builtin_unreachable(); } while (0)
#define BUG_ON(condition)	do { if (unlikely(condition)) BUG(); } while (0)
#define WARN_FLAGS(condition, flags)						\
	({ bool __warn = !!(condition);						\
	   if (unlikely(__warn)) BUG_ENTRY(BUG_WARNING | (flags));		\
	   unlikely(__warn); })
#define WARN_ON(condition)	WARN_FLAGS(condition, BUG_TAINT(9))
#define WARN_ON_ONCE(condition)	WARN_FLAGS(condition, BUG_TAINT(9) | BUG_ONCE)

// Once only, by a variable and not by the table.
#define PRINT_ONCE(text)							\
	({ static bool __already_done __once;					\
	   if (unlikely(!__already_done)) {					\
		__already_done = true;						\
		print(text);							\
	   } })

// ---- __ex_table: instruction, fixup, and but on ppc64le what to do

#if defined(__x86_64__)
#define EX_ENTRY(insn, fixup, type)						\
	".pushsection __ex_table, \"a\"\n.balign 4\n"				\
	".long (" insn ") - ., (" fixup ") - ., " str(type) "\n.popsection\n"
#define LOAD_INSN		"movl (%[from]), %k[to]"
#define TOUCH_INSN		"testl %%eax, (%[from])"
#elif defined(__powerpc64__)
#define EX_ENTRY(insn, fixup, type)						\
	".pushsection __ex_table, \"a\"\n.balign 4\n"				\
	".long (" insn ") - ., (" fixup ") - .\n.popsection\n"
#define LOAD_INSN		"lwz %[to], 0(%[from])"
#define TOUCH_INSN		"lwz 0, 0(%[from])"
#elif defined(__s390x__)
#define EX_ENTRY(insn, fixup, type)						\
	".pushsection __ex_table, \"a\"\n.balign 4\n"				\
	".long (" insn ") - ., (" fixup ") - .\n.short " str(type) ", 0\n.popsection\n"
#define LOAD_INSN		"l %[to], 0(%[from])"
#define TOUCH_INSN		"cli 0(%[from]), 0"
#elif defined(__aarch64__)
#define EX_ENTRY(insn, fixup, type)						\
	".pushsection __ex_table, \"a\"\n.balign 4\n"				\
	".long (" insn ") - ., (" fixup ") - .\n.short " str(type) ", 0\n.popsection\n"
#define LOAD_INSN		"ldr %w[to], [%[from]]"
#define TOUCH_INSN		"ldr wzr, [%[from]]"
#endif

// Reads *p; where that faults, the entry's type says what happens, behind the instruction.
#define LOAD(p, type)								\
	({ int __to = 0;							\
	   asm volatile("1:	" LOAD_INSN "\n2:\n" EX_ENTRY("1b", "2b", type)	\
		: [to] "+r" (__to) : [from] "b" (p) : "memory");		\
	   __to; })
#if !defined(__powerpc64__)
#undef LOAD
#define LOAD(p, type)								\
	({ int __to = 0;							\
	   asm volatile("1:	" LOAD_INSN "\n2:\n" EX_ENTRY("1b", "2b", type)	\
		: [to] "+r" (__to) : [from] "r" (p) : "memory");		\
	   __to; })
#endif

// Touches *p; where that faults, control goes to the label.
#if defined(__powerpc64__)
#define TOUCH(p, label)								\
	asm goto("1:	" TOUCH_INSN "\n" EX_ENTRY("1b", "%l1", 1)	\
		: : [from] "b" (p) : "r0", "memory" : label)
#elif defined(__s390x__)
#define TOUCH(p, label)								\
	asm goto("1:	" TOUCH_INSN "\n" EX_ENTRY("1b", "%l1", 1)	\
		: : [from] "a" (p) : "cc", "memory" : label)
#else
#define TOUCH(p, label)								\
	asm goto("1:	" TOUCH_INSN "\n" EX_ENTRY("1b", "%l1", 1)	\
		: : [from] "r" (p) : "cc", "memory" : label)
#endif

// ---- __jump_table: code, target, key with the branch's direction in its low bit

struct static_key { int enabled; void *entries; };

#if defined(__x86_64__)
#define BRANCH_NOP		".byte 0x0f, 0x1f, 0x44, 0x00, 0x00"
#define BRANCH_JUMP		".byte 0xe9; .long %l[yes] - (. + 4)"
#elif defined(__powerpc64__)
#define BRANCH_NOP		"nop"
#define BRANCH_JUMP		"b %l[yes]"
#elif defined(__s390x__)
#define BRANCH_NOP		"brcl 0, %l[yes]"
#define BRANCH_JUMP		"brcl 15, %l[yes]"
#elif defined(__aarch64__)
#define BRANCH_NOP		"nop"
#define BRANCH_JUMP		"b %l[yes]"
#endif

#if defined(__s390x__) && !defined(__clang__)
#define KEY			"%0 + %1"
#define KEY_CONSTRAINT		"jdd"
#else
#define KEY			"%c0 + %c1"
#define KEY_CONSTRAINT		"i"
#endif

#define BRANCH_FUNCTION(name, insn)						\
	static __always_inline bool name(struct static_key *const key, const int low)	\
	{									\
		asm goto("1:	" insn "\n"					\
			".pushsection __jump_table, \"aw\"\n"			\
			".balign 8\n"						\
			ANNOTATE						\
			".long 1b - ., %l[yes] - .\n"				\
			".quad " KEY " - .\n"					\
			".popsection\n"						\
			: : KEY_CONSTRAINT (key), "i" (low) : : yes);		\
		return false;							\
	yes:									\
		return true;							\
	}
BRANCH_FUNCTION(__branch_nop, BRANCH_NOP)
BRANCH_FUNCTION(__branch_jump, BRANCH_JUMP)

// A nop while the key is as it was defined, or a jump.
#define static_branch_unlikely(key)	unlikely(__branch_nop(key, 0))
#define static_branch_likely(key)	likely(!__branch_jump(key, 1))

// ---- alternatives: the first instructions, or the second where the processor has the feature

#if defined(__x86_64__)
#define ALT_OLD			"nop; nop; nop"
#define ALT_NEW			"lfence"
#define ALT_OTHER		"mfence"
#define ALTERNATIVE(old, new, feature)						\
	asm volatile("1:	" old "\n2:\n"					\
		".pushsection .altinstructions, \"aM\", @progbits, 14\n"	\
		ANNOTATE							\
		".long 1b - ., 3f - .\n"					\
		".long " str(feature) "\n"					\
		".byte 2b - 1b, 4f - 3f\n"					\
		".popsection\n"							\
		".pushsection .altinstr_replacement, \"ax\"\n"			\
		"3:	" new "\n4:\n"						\
		".popsection\n" : : : "memory")
#elif defined(__powerpc64__)
#define ALT_OLD			"nop"
#define ALT_NEW			"sync"
#define ALT_OTHER		"isync"
#define ALTERNATIVE(old, new, feature)						\
	asm volatile("1:	" old "\n2:\n"					\
		".pushsection __ftr_alt_97, \"ax\"\n.balign 4\n"		\
		"3:	" new "\n4:\n"						\
		".popsection\n"							\
		".pushsection __ftr_fixup, \"a\"\n.balign 8\n"			\
		"5:	.quad " str(feature) ", " str(feature) "\n"		\
		".quad 1b - 5b, 2b - 5b, 3b - 5b, 4b - 5b\n"			\
		".popsection\n" : : : "memory")
#elif defined(__s390x__)
#define ALT_OLD			"brcl 0, 0"
#define ALT_NEW			"bcr 14, %%r0; bcr 0, %%r0; bcr 0, %%r0"
#define ALT_OTHER		"bcr 15, %%r0; bcr 0, %%r0; bcr 0, %%r0"
#define ALTERNATIVE(old, new, feature)						\
	asm volatile("1:	" old "\n2:\n"					\
		".pushsection .altinstr_replacement, \"ax\"\n"			\
		"3:	" new "\n4:\n"						\
		".popsection\n"							\
		".pushsection .altinstructions, \"a\"\n"			\
		".long 1b - ., 3b - .\n"					\
		".long " str(feature) "\n"					\
		".byte 2b - 1b\n"						\
		".popsection\n" : : : "memory")
#elif defined(__aarch64__)
#define ALT_OLD			"nop"
#define ALT_NEW			"dsb sy"
#define ALT_OTHER		"isb"
#define ALTERNATIVE(old, new, feature)						\
	asm volatile("1:	" old "\n2:\n"					\
		".pushsection .altinstructions, \"a\"\n"			\
		".long 1b - ., 3f - .\n"					\
		".short " str(feature) "\n"					\
		".byte 2b - 1b, 4f - 3f\n"					\
		".popsection\n"							\
		".subsection 1\n"						\
		"3:	" new "\n4:\n"						\
		".previous\n" : : : "memory")
#endif

// ---- static calls, x86_64: a trampoline, its key, and .static_call_sites: code, key

struct static_call_key { void *func; u64 type; };

#if defined(__x86_64__)
#define DEFINE_STATIC_CALL(name, function)					\
	struct static_call_key __SCK__##name = { function };			\
	asm(".pushsection .static_call.text, \"ax\"\n.balign 4\n"		\
	    ".globl __SCT__" #name "\n__SCT__" #name ":\n"			\
	    ".byte 0xe9; .long " #function " - (. + 4)\n"			\
	    ".byte 0x0f, 0xb9, 0xcc\n"						\
	    ".type __SCT__" #name ", @function\n"				\
	    ".size __SCT__" #name ", . - __SCT__" #name "\n"			\
	    ".popsection\n")
#define STATIC_CALL(trampoline, key)						\
	asm volatile("1:	call __SCT__" #trampoline "\n"			\
		".pushsection .static_call_sites, \"aw\"\n.balign 4\n"		\
		".long 1b - ., __SCK__" #key " - .\n"				\
		".popsection\n"							\
		: : : "memory", "cc", "rax", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11")
#endif

// ---- runtime constants: a placeholder that is replaced at boot

#if defined(__x86_64__)
#define RUNTIME_POINTER(name)							\
	({ void *__p;								\
	   asm("movabsq $0x0123456789abcdef, %0\n1:\n"				\
	       ".pushsection runtime_ptr_" #name ", \"a\"\n"			\
	       ".long 1b - 8 - .\n.popsection\n" : "=r" (__p));			\
	   __p; })
#define RUNTIME_SHIFT(value, name)						\
	({ u32 __v = (value);							\
	   asm("shrl $12, %k0\n1:\n"						\
	       ".pushsection runtime_shift_" #name ", \"a\"\n"			\
	       ".long 1b - 1 - .\n.popsection\n" : "+r" (__v));			\
	   __v; })
#elif defined(__s390x__)
#define RUNTIME_POINTER(name)							\
	({ void *__p;								\
	   asm("1:	iihf %0, 0x01234567\n	iilf %0, 0x89abcdef\n"		\
	       ".pushsection runtime_ptr_" #name ", \"a\"\n"			\
	       ".long 1b - .\n.popsection\n" : "=d" (__p));			\
	   __p; })
#define RUNTIME_SHIFT(value, name)						\
	({ u32 __v = (value);							\
	   asm("1:	srl %0, 12\n"						\
	       ".pushsection runtime_shift_" #name ", \"a\"\n"			\
	       ".long 1b - .\n.popsection\n" : "+d" (__v));			\
	   __v; })
#elif defined(__aarch64__)
#define RUNTIME_POINTER(name)							\
	({ void *__p;								\
	   asm("1:	movz %0, #0xcdef\n	movk %0, #0x89ab, lsl #16\n"	\
	       "	movk %0, #0x4567, lsl #32\n	movk %0, #0x0123, lsl #48\n"	\
	       ".pushsection runtime_ptr_" #name ", \"a\"\n"			\
	       ".long 1b - .\n.popsection\n" : "=r" (__p));			\
	   __p; })
#define RUNTIME_SHIFT(value, name)						\
	({ u64 __v;								\
	   asm("1:	lsr %w0, %w1, #12\n"					\
	       ".pushsection runtime_shift_" #name ", \"a\"\n"			\
	       ".long 1b - .\n.popsection\n" : "=r" (__v) : "r" ((u32)(value)));	\
	   (u32)__v; })
#endif

// ---- tracepoints: a key among data, its name, and a pointer to it

struct tracepoint { const char *name; struct static_key key; void *functions; };

#if defined(__x86_64__) || defined(__aarch64__)
#define TRACE_POINTER(event)							\
	asm(".pushsection __tracepoints_ptrs, \"a\"\n.balign 4\n"		\
	    ".long __tracepoint_" #event " - .\n"				\
	    ".popsection\n")
#else
#define TRACE_POINTER(event)							\
	static struct tracepoint *const __tracepoint_ptr_##event __used		\
		__section("__tracepoints_ptrs") = &__tracepoint_##event
#endif
#define DEFINE_TRACE(event)							\
	static const char __tpstrtab_##event[] __section("__tracepoints_strings") = #event;	\
	struct tracepoint __tracepoint_##event __used __section("__tracepoints") =	\
		{ .name = __tpstrtab_##event };					\
	TRACE_POINTER(event)
#define trace(event, value)							\
	({ if (static_branch_unlikely(&__tracepoint_##event.key))		\
		__traceiter_##event(value); })
#define DECLARE_TRACE(event)							\
	extern struct tracepoint __tracepoint_##event;				\
	int __traceiter_##event(int)

// ---- dynamic debugging: 56 bytes for each message, with a key

struct ddebug {
	const char *module, *function, *file, *format;
	u32 line : 18, class : 6, flags : 8;
	struct static_key key;
};

void __dynamic_print(struct ddebug *, const char *format, ...);

#define pr_debug(text)								\
	({ static struct ddebug descriptor __aligned(8) __used __section("__dyndbg") = {	\
		.module = "cases", .function = __func__, .file = __FILE__,	\
		.format = text, .line = __LINE__, .class = 63 };		\
	   if (static_branch_unlikely(&descriptor.key))				\
		__dynamic_print(&descriptor, text); })

// ---- printk's index: an entry for each message, and .printk_index, which points to it

struct pi_entry { const char *format, *function, *file; u32 line; const char *level, *prefix; } __attribute__((packed));

#define printk(text)								\
	({ static const struct pi_entry _entry __used = {			\
		.format = text, .function = __func__, .file = __FILE__, .line = __LINE__ };	\
	   static const struct pi_entry *const _entry_ptr __used		\
		__section(".printk_index") = &_entry;				\
	   print(text); })

// ---- one variable for each processor

extern u64 cpu_offset;

#define DEFINE_PER_CPU(type, name)	__section(".data..percpu") type name
#if defined(__x86_64__)
#define this_cpu_read(name)							\
	({ int __v; asm volatile("movl %%gs:%1, %0" : "=r" (__v) : "m" (name)); __v; })
#else
#define this_cpu_read(name)							\
	({ int *__p; asm("" : "=r" (__p) : "0" (&(name))); *(volatile int *)((char *)__p + cpu_offset); })
#endif

// ---- what is called while booting, and what others may use

#define __paste(a, b)		a##b
#define paste(a, b)		__paste(a, b)
#define __UNIQUE(prefix)	paste(paste(__UNIQUE_ID_, prefix), __COUNTER__)

#define ADDRESSABLE(symbol)							\
	static void *const __UNIQUE(addressable_##symbol##_) __used		\
		__section(".discard.addressable") = (void *)&(symbol);
#if defined(__s390x__)
#define device_initcall(function)						\
	ADDRESSABLE(function)							\
	static int (*const __initcall_##function)(void) __used			\
		__section(".initcall6.init") = function
#else
#define device_initcall(function)						\
	ADDRESSABLE(function)							\
	asm(".pushsection .initcall6.init, \"a\"\n"				\
	    "__initcall_" #function ": .long " #function " - .\n"		\
	    ".popsection\n")
#endif

#define EXPORT_SYMBOL_GPL(symbol)						\
	ADDRESSABLE(symbol)							\
	asm(".pushsection .export_symbol, \"a\"\n"				\
	    "__export_symbol_" #symbol ": .asciz \"GPL\"\n.asciz \"\"\n"	\
	    ".balign 8\n.quad " #symbol "\n"					\
	    ".popsection\n")

#define MODULE_INFO(tag, text)							\
	static const char __UNIQUE(tag)[] __used __section(".modinfo") __aligned(1) = #tag "=" text

#define NOKPROBE_SYMBOL(function)						\
	static u64 __used __section("_kprobe_blacklist") _kbl_addr_##function = (u64)function
