//! What the kernel still changes in a module once its relocations are applied: tables that name code.
//!
//! A row says how one kind of section is read, how its entries name the bytes that may change, and
//! whether the section itself is rewritten. Invariant: a row covers every byte that the kernel may
//! write there and, as far as the table tells, no other. The tables are those of [`Machine`]; the
//! core reads them out of relocated memory. Sources: `module_finalize` of `arch/*/kernel/module*.c`,
//! `kernel/trace/ftrace.c`, `kernel/jump_label.c`, `kernel/static_call_inline.c`.
//!
//! [`Machine`]: crate::Machine

use crate::row::{Features, When};

/// When the kernel writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Moment {
    /// Right behind relocation (`post_relocation`).
    Finish,
    /// When ftrace learns of the module (`ftrace_module_init`).
    Ftrace,
    /// When notifiers hear that the module is coming (`prepare_coming_module`).
    Coming,
    /// Any time while the module lives.
    Living,
}

/// How an entry names an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Named {
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
    /// So many.
    Bytes(u64),
    /// As many as the byte at this offset in the entry says.
    Field(usize),
    /// Up to the address that the entry names, in the same way, at this offset.
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
    pub named: Named,
    /// How many bytes may change in front of it.
    pub before: u64,
    /// How many bytes may change from it on.
    pub span: Span,
}

/// A section, or a family of sections, that makes the kernel change bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PatchedSection {
    /// The section's name, or the start of it.
    pub name: &'static str,
    /// Whether every section whose name starts so is meant.
    pub prefix: bool,
    /// On which kernels.
    pub when: When,
    /// When it happens.
    pub moment: Moment,
    /// The kernel function that writes.
    pub by: &'static str,
    /// Bytes of an entry.
    pub entry: usize,
    /// What an entry names.
    pub targets: &'static [Target],
    /// Whether the section itself is rewritten: sorted, filled or marked.
    pub itself: bool,
}

impl PatchedSection {
    /// A table whose entries name code; the table stays as it is.
    #[must_use]
    pub const fn table(
        name: &'static str,
        entry: usize,
        targets: &'static [Target],
        moment: Moment,
        by: &'static str,
    ) -> Self {
        let when = When::Always;
        Self { name, prefix: false, when, moment, by, entry, targets, itself: false }
    }

    /// A section that is rewritten, and names nothing else.
    #[must_use]
    pub const fn rewritten(name: &'static str, moment: Moment, by: &'static str) -> Self {
        Self { itself: true, ..Self::table(name, 1, &[], moment, by) }
    }

    /// The same, rewritten itself, too.
    #[must_use]
    pub const fn and_itself(self) -> Self {
        Self { itself: true, ..self }
    }

    /// The same for every section whose name starts so.
    #[must_use]
    pub const fn and_longer_names(self) -> Self {
        Self { prefix: true, ..self }
    }

    /// The same on some kernels only.
    #[must_use]
    pub const fn only(self, when: When) -> Self {
        Self { when, ..self }
    }

    /// Whether a section of this name is meant, on a kernel with these features.
    #[must_use]
    pub fn matches(&self, section: &[u8], features: Features) -> bool {
        let name = self.name.as_bytes();
        let named = if self.prefix { section.starts_with(name) } else { section == name };
        named && self.when.holds(features)
    }
}

/// A target at the start of the entry.
#[must_use]
pub const fn first(named: Named, span: Span) -> Target {
    Target { at: 0, named, before: 0, span }
}

/// What all machines share.
pub const COMMON: &[PatchedSection] = &[
    PatchedSection::rewritten("__ex_table", Moment::Finish, "sort_extable"),
    PatchedSection::rewritten(".gnu.linkonce.this_module", Moment::Finish, "load_module"),
    PatchedSection::rewritten("__bug_table", Moment::Living, "report_bug"),
    PatchedSection::rewritten("__param", Moment::Coming, "parse_args"),
    PatchedSection::rewritten("__dyndbg", Moment::Coming, "ddebug_add_module"),
    PatchedSection::rewritten("__dyndbg_classes", Moment::Coming, "ddebug_add_module"),
    PatchedSection::rewritten("__tracepoints", Moment::Coming, "tracepoint_module_notify"),
    PatchedSection::rewritten("_ftrace_events", Moment::Coming, "trace_module_notify"),
    PatchedSection::rewritten("_ftrace_eval_map", Moment::Coming, "trace_module_notify"),
];
