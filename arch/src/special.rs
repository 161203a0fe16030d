//! Sections that the kernel itself reads or rewrites in a module, and what it changes through them.
//!
//! A row describes how one kernel function treats one kind of section: whether it reads the section, so
//! that a relocation which waits for another object comes too late; whether it rewrites the section;
//! and how the entries name the bytes that it changes once relocations are applied. Invariant: a row
//! covers every byte that the kernel may write there and, where the table shows it, no other. The core
//! reads the tables out of relocated memory. Sources: `module_finalize` of
//! `arch/*/kernel/module*.c`, `kernel/trace/ftrace.c`, `kernel/jump_label.c`,
//! `kernel/static_call_inline.c`.

use crate::row::{Features, When};

use Moment::{Coming, Finish, Ftrace, Living};

/// When the kernel reads and writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Moment {
    /// Right after relocation (`post_relocation`).
    Finish,
    /// When ftrace registers the module (`ftrace_module_init`).
    Ftrace,
    /// When notifiers are called for the coming module (`prepare_coming_module`).
    Coming,
    /// Any time while the module is loaded.
    Living,
}

/// How an entry names an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AddressForm {
    /// 32 bits, signed, from the field itself.
    Relative32,
    /// 64 bits, signed, from the field itself.
    Relative64,
    /// 64 bits, signed, from the start of the entry.
    FromEntry64,
    /// 64 bits: the address.
    Absolute64,
}

/// How many bytes may change from the named address on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Span {
    /// This many.
    Bytes(u64),
    /// The number in the byte at this offset in the entry.
    Field(usize),
    /// Up to the address that the entry has at this offset, encoded in the same way.
    Until(usize),
    /// `then` where the first byte of the code is one of `first`, otherwise `otherwise`.
    Opcode {
        /// First bytes of the longer, or shorter, instructions.
        first: &'static [u8],
        /// Bytes of those.
        then: u64,
        /// Bytes of all others.
        otherwise: u64,
    },
}

/// Bytes that an entry names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Target {
    /// Offset of the address in the entry, in bytes.
    pub at: usize,
    /// How it is written.
    pub named: AddressForm,
    /// How many bytes may change before it.
    pub before: u64,
    /// How many bytes may change from it on.
    pub span: Span,
}

/// A field of an entry by which the function finds something else: all of it must be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pointer {
    /// Offset of the field in the entry, in bytes; it has eight.
    pub at: usize,
    /// Whether it is the distance from the field itself, with flags in the two lowest bits; otherwise the address.
    pub relative: bool,
    /// Whether it may be NULL.
    pub null: bool,
    /// Whether the function changes what it finds.
    pub changes: bool,
}

/// A pointer to what the function reads.
const POINTER: Pointer = Pointer { at: 0, relative: false, null: false, changes: false };

/// The key of a branch, in a `struct jump_entry`.
const KEY: Pointer = Pointer { at: 8, relative: true, null: false, changes: true };

/// A section, or a family of sections, that the kernel treats specially.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpecialSection {
    /// The section's name, or the start of it.
    pub name: &'static str,
    /// Whether `name` is a prefix.
    pub prefix: bool,
    /// On which kernels.
    pub when: When,
    /// When it happens.
    pub moment: Moment,
    /// The kernel function that does it.
    pub by: &'static str,
    /// Bytes of an entry.
    pub entry: usize,
    /// What an entry names: bytes that the function changes.
    pub targets: &'static [Target],
    /// Whether the function reads the section, so that its contents must be final by then.
    pub read: bool,
    /// Whether the section itself is rewritten: sorted, filled or marked.
    pub rewritten: bool,
    /// Whether the function writes to the section while it is protected: it must be writable.
    pub needs_write: bool,
    /// What an entry points to.
    pub pointers: &'static [Pointer],
    /// The section that must have as many entries, and bytes of one of its entries.
    pub beside: Option<(&'static str, usize)>,
}

impl SpecialSection {
    /// The row, for every section whose name starts with `name`.
    pub(crate) const fn and_longer_names(self) -> Self {
        Self { prefix: true, ..self }
    }

    /// The row, limited to some kernels.
    pub(crate) const fn only(self, when: When) -> Self {
        Self { when, ..self }
    }

    /// The row, with the section also read.
    pub(crate) const fn and_read(self) -> Self {
        Self { read: true, ..self }
    }

    /// The row, with the section also rewritten.
    pub(crate) const fn and_rewritten(self) -> Self {
        Self { rewritten: true, ..self }
    }

    /// The row, with the section to be writable.
    const fn and_needs_write(self) -> Self {
        Self { needs_write: true, ..self }
    }

    /// The row, with the key of a branch in each entry.
    pub(crate) const fn and_key(self) -> Self {
        Self { pointers: &[KEY], ..self }
    }

    /// The row, of entries of `entry` bytes with pointers.
    const fn of_pointers(self, entry: usize, pointers: &'static [Pointer]) -> Self {
        Self { entry, pointers, ..self }
    }

    /// The row, of entries of `entry` bytes, with as many of `other_entry` bytes in another section.
    pub(crate) const fn beside(
        self,
        entry: usize,
        other: &'static str,
        other_entry: usize,
    ) -> Self {
        Self { entry, beside: Some((other, other_entry)), ..self }
    }

    /// Whether the row covers a section of this name, on any kernel.
    #[must_use]
    pub fn is_named(&self, section: &[u8]) -> bool {
        let name = self.name.as_bytes();
        if self.prefix { section.starts_with(name) } else { section == name }
    }

    /// Whether the row covers a section of this name, on a kernel with these features.
    #[must_use]
    pub fn matches(&self, section: &[u8], features: Features) -> bool {
        self.is_named(section) && self.when.holds(features)
    }
}

/// A table whose entries name code; it is read and not changed.
pub(crate) const fn table(
    name: &'static str,
    entry: usize,
    targets: &'static [Target],
    moment: Moment,
    by: &'static str,
) -> SpecialSection {
    SpecialSection {
        name,
        prefix: false,
        when: When::Always,
        moment,
        by,
        entry,
        targets,
        read: true,
        rewritten: false,
        needs_write: false,
        pointers: &[],
        beside: None,
    }
}

/// A section that is read, and nothing else.
pub(crate) const fn read(name: &'static str, moment: Moment, by: &'static str) -> SpecialSection {
    table(name, 1, &[], moment, by)
}

/// A section that is rewritten, whatever it held before.
pub(crate) const fn rewritten(
    name: &'static str,
    moment: Moment,
    by: &'static str,
) -> SpecialSection {
    SpecialSection { read: false, rewritten: true, ..read(name, moment, by) }
}

/// A target at the start of the entry.
pub(crate) const fn first(named: AddressForm, span: Span) -> Target {
    Target { at: 0, named, before: 0, span }
}

/// The sections that all machines share. How table entries name code depends on the machine.
pub(crate) const COMMON: &[SpecialSection] = &[
    read(".gnu.linkonce.this_module", Finish, "layout_and_allocate"),
    rewritten(".gnu.linkonce.this_module", Finish, "load_module"),
    rewritten("__ex_table", Finish, "sort_extable").and_read(),
    rewritten("__bug_table", Living, "report_bug"),
    read("__mcount_loc", Ftrace, "ftrace_process_locs"),
    read("__patchable_function_entries", Ftrace, "ftrace_process_locs"),
    rewritten("__jump_table", Coming, "jump_label_add_module").and_read().and_needs_write(),
    rewritten(".static_call_sites", Coming, "static_call_add_module").and_read().and_needs_write(),
    rewritten("__dyndbg", Coming, "ddebug_add_module"),
    rewritten("__dyndbg_classes", Coming, "ddebug_add_module"),
    rewritten("__tracepoints", Coming, "tracepoint_module_notify"),
    read("__tracepoints_ptrs", Coming, "tracepoint_module_coming"),
    read("___srcu_struct_ptrs", Coming, "srcu_module_coming")
        .of_pointers(8, &[Pointer { changes: true, ..POINTER }]),
    read("_ftrace_events", Coming, "trace_module_add_events")
        .of_pointers(8, &[Pointer { changes: true, ..POINTER }]),
    rewritten("_ftrace_events", Coming, "trace_module_notify"),
    rewritten("_ftrace_eval_map", Coming, "trace_module_notify").of_pointers(8, &[POINTER]),
    rewritten("__trace_printk_fmt", Coming, "hold_module_trace_bprintk_format")
        .and_read()
        .and_needs_write()
        .of_pointers(8, &[Pointer { null: true, ..POINTER }]),
    // `struct kernel_param`: its name, module and operations.
    rewritten("__param", Coming, "parse_args").and_read().of_pointers(
        40,
        &[POINTER, Pointer { at: 8, null: true, ..POINTER }, Pointer { at: 16, ..POINTER }],
    ),
    read(".init_array", Living, "do_mod_ctors").and_longer_names(),
    read(".ctors", Living, "do_mod_ctors").and_longer_names(),
    read("__ksymtab", Living, "simplify_symbols of other modules").and_longer_names(),
];
