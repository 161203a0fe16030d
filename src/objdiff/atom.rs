//! The smallest parts of an object that can change by themselves.

use std::ops::Range;

use crate::elf::SymbolIndex;

/// The number of an atom in its object.
pub(super) type AtomIndex = u32;

/// What an atom is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AtomKind {
    /// Code with a name.
    Function,
    /// Data with a name that code writes.
    Variable,
    /// Data with a name that nothing writes.
    Constant,
    /// Data of which only what is in it counts: the compiler has made it, and may have given it a name.
    Made,
    /// Code without a name.
    Code,
    /// What only describes the source.
    Diagnostic,
    /// An entry of a table; the index of its shape.
    Entry(u32),
}

impl AtomKind {
    /// Whether references to it mean this one, and not another with the same in it.
    pub(super) fn has_identity(self) -> bool {
        matches!(self, Self::Function | Self::Variable | Self::Constant)
    }

    /// Whether what refers to it means what is in it.
    pub(super) fn is_content(self) -> bool {
        matches!(self, Self::Constant | Self::Made | Self::Code | Self::Entry(_))
    }
}

/// A part of a section.
#[derive(Debug, Clone)]
pub(super) struct Atom {
    /// The section's index.
    pub(super) section: usize,
    /// Offsets in the section, in bytes.
    pub(super) span: Range<u64>,
    pub(super) kind: AtomKind,
    /// The symbol that it is named after.
    pub(super) symbol: Option<SymbolIndex>,
    /// Which file of several in the object it is from; 0 if that is not known.
    pub(super) file: u32,
    /// Its references, in the list of all.
    pub(super) references: Range<usize>,
    /// Code right before a function that belongs to it.
    pub(super) prefix: Option<AtomIndex>,
}

impl Atom {
    /// Bytes in memory.
    pub(super) fn size(&self) -> u64 {
        self.span.end.saturating_sub(self.span.start)
    }
}
